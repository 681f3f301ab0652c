"""The `model_monitor` engine: SageMaker's own schedule runs the analyzer every hour."""

from __future__ import annotations

from aws_cdk import Aws, CfnCondition
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.analyzer import ANALYSIS_PATH, CAPTURES_PATH, Analyzer, analyzer_settings
from lifecycle.job_requests import Compute, entry_point

__all__ = ["MonitoringSchedule"]

_Schedule = sagemaker.CfnMonitoringSchedule


class MonitoringSchedule(Construct):
    """Analyzes each hour's captures, by Model Monitor's bring-your-own-container contract.

    The job's definition is inline: a definition of its own could not change while a schedule uses
    it, since every property of one is create-only.

    Args:
        schedule_name: Physical name; a run on demand copies the schedule's job.
        analyzer: What runs.
        compute: What it runs on.
        condition: When there is an endpoint; without one SageMaker refuses a schedule.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        schedule_name: str,
        analyzer: Analyzer,
        compute: Compute,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)
        schedule = _Schedule(
            self,
            "Schedule",
            monitoring_schedule_name=schedule_name,
            monitoring_schedule_config=_Schedule.MonitoringScheduleConfigProperty(
                schedule_config=_Schedule.ScheduleConfigProperty(
                    schedule_expression="cron(0 * ? * * *)"
                ),
                monitoring_job_definition=_job(analyzer, compute),
            ),
        )
        schedule.cfn_options.condition = condition
        # SageMaker checks the role while it creates the schedule: its policy has to be there.
        schedule.node.add_dependency(analyzer.role)


def _job(
    analyzer: Analyzer, compute: Compute
) -> sagemaker.CfnMonitoringSchedule.MonitoringJobDefinitionProperty:
    return _Schedule.MonitoringJobDefinitionProperty(
        role_arn=analyzer.role.role_arn,
        environment=dict(analyzer_settings(analyzer.metric_namespace, Aws.REGION)),
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
        baseline_config=_baseline(analyzer),
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


def _baseline(
    analyzer: Analyzer,
) -> sagemaker.CfnMonitoringSchedule.BaselineConfigProperty:
    return _Schedule.BaselineConfigProperty(
        constraints_resource=_Schedule.ConstraintsResourceProperty(
            s3_uri=f"{analyzer.baseline_uri}constraints.json"
        ),
        statistics_resource=_Schedule.StatisticsResourceProperty(
            s3_uri=f"{analyzer.baseline_uri}statistics.json"
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
