"""The `model_monitor` engine: SageMaker's own schedules run the analyzer, one for each kind."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnCondition
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.jobs.job_requests import Compute, entry_point
from lifecycle.monitoring.analyzer import ANALYSIS_PATH, CAPTURES_PATH, Analyzer
from lifecycle.monitoring.config import MonitoringConfig
from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["MonitoringSchedules"]

_Schedule = sagemaker.CfnMonitoringSchedule
# The first kind's is older than the others: another ID would be another schedule of its name.
_IDS = {
    MonitorKind.DATA_QUALITY: "Schedule",
    MonitorKind.MODEL_QUALITY: "ModelQuality",
    MonitorKind.BIAS: "Bias",
    MonitorKind.ATTRIBUTION: "Attribution",
}


class MonitoringSchedules(Construct):
    """Analyzes captures when due, by Model Monitor's bring-your-own-container contract.

    All are of that contract: SageMaker's definitions of bias and of explainability take no
    container of one's own, and those of model quality merge labels with captures, dropping what
    has no label yet, so that nobody could tell how much that is.

    The jobs' definitions are inline: a definition of its own could not change while a schedule uses
    it, since every property of one is create-only.

    Args:
        names: Physical names by kind; a run on demand copies the schedule's job.
        analyzer: What runs.
        config: When it runs, on what, and how far back it looks.
        condition: When there is an endpoint; without one SageMaker refuses a schedule.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Mapping[MonitorKind, str],
        analyzer: Analyzer,
        config: MonitoringConfig,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)
        for kind, hour in config.schedules.hours.items():
            look_back = config.schedules.look_back_hours[kind]
            schedule = _Schedule(
                self,
                _IDS[kind],
                monitoring_schedule_name=names[kind],
                monitoring_schedule_config=_Schedule.MonitoringScheduleConfigProperty(
                    schedule_config=_Schedule.ScheduleConfigProperty(
                        schedule_expression=f"cron(0 {'*' if hour is None else hour} ? * * *)"
                    ),
                    monitoring_job_definition=_job(kind, analyzer, config.compute, look_back),
                ),
            )
            schedule.cfn_options.condition = condition
            # SageMaker checks the role while it creates the schedule: its policy has to be there.
            schedule.node.add_dependency(analyzer.role)


def _job(
    kind: MonitorKind, analyzer: Analyzer, compute: Compute, look_back_hours: int
) -> sagemaker.CfnMonitoringSchedule.MonitoringJobDefinitionProperty:
    return _Schedule.MonitoringJobDefinitionProperty(
        role_arn=analyzer.role.role_arn,
        environment=dict(analyzer.settings(kind, look_back_hours)),
        monitoring_app_specification=_Schedule.MonitoringAppSpecificationProperty(
            image_uri=analyzer.image_uri, container_entrypoint=entry_point("monitor")
        ),
        monitoring_inputs=[
            _Schedule.MonitoringInputProperty(
                endpoint_input=_Schedule.EndpointInputProperty(
                    endpoint_name=analyzer.endpoint_name, local_path=CAPTURES_PATH
                )
            )
        ],
        baseline_config=_baseline(analyzer.baseline_uri(kind)),
        monitoring_output_config=_reports(analyzer),
        monitoring_resources=_Schedule.MonitoringResourcesProperty(
            cluster_config=_Schedule.ClusterConfigProperty(
                instance_count=1,
                instance_type=str(compute.instance_type),
                volume_size_in_gb=compute.volume_size_gib,
                volume_kms_key_id=analyzer.key_arn,
            )
        ),
        network_config=_Schedule.NetworkConfigProperty(
            enable_inter_container_traffic_encryption=True, enable_network_isolation=False
        ),
        stopping_condition=_Schedule.StoppingConditionProperty(
            max_runtime_in_seconds=compute.max_runtime_minutes * 60
        ),
    )


def _baseline(folder_uri: str) -> sagemaker.CfnMonitoringSchedule.BaselineConfigProperty:
    return _Schedule.BaselineConfigProperty(
        constraints_resource=_Schedule.ConstraintsResourceProperty(
            s3_uri=f"{folder_uri}constraints.json"
        ),
        statistics_resource=_Schedule.StatisticsResourceProperty(
            s3_uri=f"{folder_uri}statistics.json"
        ),
    )


def _reports(
    analyzer: Analyzer,
) -> sagemaker.CfnMonitoringSchedule.MonitoringOutputConfigProperty:
    target = _Schedule.S3OutputProperty(
        s3_uri=analyzer.reports_uri, local_path=ANALYSIS_PATH, s3_upload_mode="EndOfJob"
    )
    return _Schedule.MonitoringOutputConfigProperty(
        kms_key_id=analyzer.key_arn,
        monitoring_outputs=[_Schedule.MonitoringOutputProperty(s3_output=target)],
    )
