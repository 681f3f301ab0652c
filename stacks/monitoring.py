"""Stage 6, first half: the endpoint's traffic is compared with what its model learned from."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from lifecycle.deployment import StackRefresh
from lifecycle.endpoint import VARIANT_NAME
from lifecycle.features import FeatureStore
from lifecycle.functions.event_function import EventFunction
from lifecycle.functions.queued_function import QueuedFunction
from lifecycle.image import ContainerImage
from lifecycle.lake import DataLake
from lifecycle.monitoring import Monitoring, MonitoringDashboard
from lifecycle.parity import ParityAudit
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.outputs import Output, function_output, monitor_output, queue_output
from pipeline_code.contracts.resources import Stage
from stacks.environments import Environment

__all__ = ["MonitoringStack"]


class MonitoringStack(cdk.Stack):
    """The monitors, late labels, the parity audit, their alarms and the dashboard.

    Monitors and audit run once there is an endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        lake: DataLake,
        store: FeatureStore,
        image: ContainerImage,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name(Stage.MONITORING),
            description="fraudloop: monitors, late labels, parity audit, alarms and dashboard",
        )
        self._environment = environment
        # Read at each deployment, and again by StackRefresh when the endpoint serves it.
        self._approved_package = cdk.CfnParameter(
            self,
            "ApprovedModelPackage",
            type="AWS::SSM::Parameter::Value<String>",
            default=environment.approved_model_parameter_name,
            description="SSM parameter that names the approved model package, or none",
        ).value_as_string
        self._monitoring = Monitoring(
            self,
            "Monitoring",
            monitor_names=environment.monitor_names,
            labels_name=environment.labels_pipeline_name,
            approved_package=self._approved_package,
            endpoint_name=environment.endpoint_name,
            metric_namespace=environment.metric_namespace,
            image=image,
            raw_bucket=lake.raw_bucket,
            captures_bucket=lake.captures_bucket,
            artifacts_bucket=lake.artifacts_bucket,
            encryption_key=lake.encryption_key,
            config=environment.monitoring,
        )
        violations = self._monitoring.alarms.violations
        self.drift_alarm = violations[MonitorKind.DATA_QUALITY]
        self.quality_alarm = violations[MonitorKind.MODEL_QUALITY]
        self.alarm_topic = self._monitoring.alarms.topic
        self._parity = self._define_parity(lake, store, image)
        self._dashboard = self._define_dashboard()
        refresh = StackRefresh(
            self,
            "Refresh",
            endpoint_name=environment.endpoint_name,
            parameter_name=environment.approved_model_parameter_name,
            encryption_key=lake.encryption_key,
        )
        self.alarm_topic.notify_of(*refresh.alarms)
        self._define_outputs()
        self._define_redrive_outputs(refresh.function, self._monitoring.retry.function)

    def _define_parity(
        self, lake: DataLake, store: FeatureStore, image: ContainerImage
    ) -> ParityAudit:
        return ParityAudit(
            self,
            "Parity",
            pipeline_name=self._environment.parity_pipeline_name,
            condition=self._monitoring.condition,
            approved_package=self._approved_package,
            endpoint_name=self._environment.endpoint_name,
            variant_name=VARIANT_NAME,
            metric_namespace=self._environment.metric_namespace,
            image=image,
            store=store,
            raw_bucket=lake.raw_bucket,
            captures_bucket=lake.captures_bucket,
            artifacts_bucket=lake.artifacts_bucket,
            encryption_key=lake.encryption_key,
            topic=self.alarm_topic,
            config=self._environment.parity,
        )

    def _define_dashboard(self) -> MonitoringDashboard:
        dashboard = MonitoringDashboard(
            self,
            "Dashboard",
            dashboard_name=self._environment.resource_name("monitoring"),
            watched=self._monitoring.watched,
            variant_name=VARIANT_NAME,
            alarms=self._monitoring.alarms,
            costs=self._environment.costs,
        )
        dashboard.add_parity(self._parity.alarms)
        return dashboard

    def _define_outputs(self) -> None:
        environment = self._environment
        cdk.CfnOutput(self, Output.MONITORING_ENGINE, value=environment.monitoring.engine)
        for kind, name in environment.monitor_names.items():
            cdk.CfnOutput(self, monitor_output(kind), value=name)
        cdk.CfnOutput(self, Output.LABELS_PIPELINE, value=environment.labels_pipeline_name)
        cdk.CfnOutput(self, Output.PARITY_PIPELINE, value=self._parity.pipeline_name)
        cdk.CfnOutput(self, Output.ALARM_TOPIC, value=self.alarm_topic.topic_arn)
        cdk.CfnOutput(self, Output.DASHBOARD, value=self._dashboard.dashboard_name)

    def _define_redrive_outputs(self, refresher: QueuedFunction, repeater: EventFunction) -> None:
        """What `fraudloop redrive` needs to give functions again what they gave up on."""
        for name, value in (
            (queue_output("Refresh"), refresher.queue.queue_url),
            (queue_output("Refresh", "Failures"), refresher.dead_letter_queue.queue_url),
            (queue_output("Refresh", "Undelivered"), refresher.undelivered_queue.queue_url),
            (queue_output("AnalysisRetry", "Failures"), repeater.dead_letter_queue.queue_url),
            (function_output("AnalysisRetry"), repeater.function.function_name),
        ):
            cdk.CfnOutput(self, name, value=value)
