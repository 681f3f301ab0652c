"""The permissions to make, change and delete resources by CloudFormation, by their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aws_cdk import ArnFormat, CfnResource, Stack
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_scheduler as scheduler

from lifecycle.access.wildcards import acknowledge_resource

__all__ = ["ResourceGrants", "allow_passing_to"]

SAGEMAKER = "sagemaker.amazonaws.com"
SCHEDULER = "scheduler.amazonaws.com"
SCALING = "sagemaker.application-autoscaling.amazonaws.com"
SCALING_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
COMING_AND_GOING = ("Create", "Delete")


class ResourceGrants:
    """Allows a stack's role to make, change and delete resources of its stack.

    Actions are those of the resource types' handlers, by the schemas of CloudFormation's registry;
    which of them do not apply, `tests/nag/test_stack_roles.py` says. What has no condition is
    there whichever model is approved: it is changed, and neither made nor deleted.

    Args:
        role: The role.
        key: Key of the volumes of an endpoint's instances.
    """

    def __init__(self, role: iam.Role, key: kms.IKey) -> None:
        self._role = role
        self._key = key
        self._stack = Stack.of(role)
        self._alarms: set[bool] = set()  # of which kinds some are covered, and so all
        self._grants: Mapping[str, Callable[[Any], None]] = {
            "AWS::ApplicationAutoScaling::ScalableTarget": self._cover_scaling,
            "AWS::CloudWatch::Alarm": self._cover_alarm,
            "AWS::SageMaker::Endpoint": self._cover_endpoint,
            "AWS::SageMaker::EndpointConfig": self._cover_endpoint_config,
            "AWS::SageMaker::Model": self._cover_model,
            "AWS::SageMaker::MonitoringSchedule": self._cover_monitoring_schedule,
            "AWS::SageMaker::Pipeline": self._cover_pipeline,
            "AWS::Scheduler::Schedule": self._cover_schedule,
        }

    def cover(self, resource: CfnResource) -> None:
        """Allow what a resource takes, if it is of a type that depends on the approved model."""
        grant = self._grants.get(resource.cfn_resource_type)
        if grant is not None:
            grant(resource)

    def _cover_alarm(self, alarm: cloudwatch.CfnAlarm) -> None:
        # Named after the stack: "CdkRealDriftIntegAlarm-Alarm7103F465-sZUYbouFngxU", recorded by
        # go-to-k/cdk-real-drift.
        goes = _comes_and_goes(alarm)
        if goes in self._alarms:
            return
        self._alarms.add(goes)
        deleting = ("DeleteAlarms",) if goes else ()
        tagging = ("ListTagsForResource", "TagResource", "UntagResource")
        self._allow_alarms(f"{self._stack.stack_name}-*", *deleting, *tagging)

    def _allow_alarms(self, name: str, *actions: str) -> None:
        alarms = self._arn("cloudwatch", "alarm", name, ArnFormat.COLON_RESOURCE_NAME)
        actions = ("DescribeAlarms", "PutMetricAlarm", *actions)
        self._allow([alarms], *(f"cloudwatch:{action}" for action in actions))
        acknowledge_resource(self._role, alarms, "The services end the names of alarms at random")

    def _cover_model(self, model: sagemaker.CfnModel) -> None:
        self._allow_generated("model", model, "CreateModel", "DeleteModel", "DescribeModel")
        allow_passing_to(self._role, str(model.execution_role_arn), SAGEMAKER)

    def _cover_endpoint_config(self, config: CfnResource) -> None:
        self._allow_generated(
            "endpoint-config",
            config,
            "CreateEndpointConfig",
            "DeleteEndpointConfig",
            "DescribeEndpointConfig",
            # Both are asked for on the endpoint and on its configuration (aws-cdk #11594).
            "CreateEndpoint",
            "UpdateEndpoint",
        )
        self._allow([self._key.key_arn], "kms:DescribeKey")
        # The fleet's volumes are encrypted by a grant, which SageMaker makes in the caller's name.
        self._allow(
            [self._key.key_arn],
            "kms:CreateGrant",
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )

    def _cover_endpoint(self, endpoint: sagemaker.CfnEndpoint) -> None:
        self._allow(
            [self._arn("sagemaker", "endpoint", str(endpoint.endpoint_name))],
            *_sagemaker(*_verbs(endpoint, "Describe", "Update", noun="Endpoint")),
            "sagemaker:DeleteTags",
        )
        self._cover_scaled(endpoint)

    def _cover_pipeline(self, pipeline: sagemaker.CfnPipeline) -> None:
        self._allow(
            [self._arn("sagemaker", "pipeline", pipeline.pipeline_name)],
            *_sagemaker(*_verbs(pipeline, "Describe", "Update", noun="Pipeline")),
            "sagemaker:DeleteTags",
        )
        allow_passing_to(self._role, pipeline.role_arn, SAGEMAKER)

    def _cover_monitoring_schedule(self, schedule: sagemaker.CfnMonitoringSchedule) -> None:
        self._allow(
            [self._arn("sagemaker", "monitoring-schedule", schedule.monitoring_schedule_name)],
            "sagemaker:AddTags",
            *(
                f"sagemaker:{verb}"
                for verb in _verbs(schedule, "Describe", "Update", noun="MonitoringSchedule")
            ),
        )
        config: Any = schedule.monitoring_schedule_config
        allow_passing_to(self._role, config.monitoring_job_definition.role_arn, SAGEMAKER)

    def _cover_schedule(self, schedule: scheduler.CfnSchedule) -> None:
        # It comes and goes; what it starts changes, and the schedule does not.
        arn = self._arn("scheduler", "schedule", f"default/{schedule.name}")
        actions = _verbs(schedule, "Get", noun="Schedule")
        self._allow([arn], *(f"scheduler:{action}" for action in actions))
        target: Any = schedule.target
        allow_passing_to(self._role, target.role_arn, SCHEDULER)

    def _cover_scaling(self, _target: scaling.CfnScalableTarget) -> None:
        targets = self._arn("application-autoscaling", "scalable-target", "*")
        actions = (
            "DeleteScalingPolicy", "DeleteScheduledAction", "DeregisterScalableTarget",
            "ListTagsForResource", "PutScalingPolicy", "PutScheduledAction",
            "RegisterScalableTarget", "TagResource", "UntagResource",
        )  # fmt: skip
        self._allow([targets], *(f"application-autoscaling:{action}" for action in actions))
        acknowledge_resource(self._role, targets, "Named at random; what is scaled is not")
        reads = ("ScalableTargets", "ScalingPolicies", "ScheduledActions")
        self._allow(["*"], *(f"application-autoscaling:Describe{read}" for read in reads))
        acknowledge_resource(self._role, "*", "Lists of Application Auto Scaling take no resource")
        role = self._stack.format_arn(
            service="iam",
            region="",
            resource="role",
            resource_name=f"aws-service-role/{SCALING}/{SCALING_ROLE}",
        )
        self._allow(
            [role],
            "iam:CreateServiceLinkedRole",
            conditions={"StringEquals": {"iam:AWSServiceName": SCALING}},
        )

    def _cover_scaled(self, endpoint: sagemaker.CfnEndpoint) -> None:
        """Auto Scaling may do to the endpoint what its caller may do, and nothing else.

        Its user guide, "Permissions validation for API calls on target resources".
        """
        name = str(endpoint.endpoint_name)
        self._allow(
            [self._arn("sagemaker", "endpoint", name)],
            "sagemaker:UpdateEndpointWeightsAndCapacities",
        )
        self._allow_alarms(f"TargetTracking-endpoint/{name}/variant/*", "DeleteAlarms")

    def _allow_generated(self, kind: str, resource: CfnResource, *actions: str) -> None:
        """On what CloudFormation names.

        Its name begins with its logical ID, and does not contain the stack's: "HuntModel" of
        CdkRealDriftIntegSmEpcMin became model/HuntModel-gv2gcUBdX0FA (go-to-k/cdk-real-drift
        #1527).
        """
        arn = self._arn("sagemaker", kind, f"{self._stack.resolve(resource.logical_id)}-*")
        self._allow([arn], *_sagemaker(*actions))
        acknowledge_resource(self._role, arn, "CloudFormation ends their names at random")

    def _allow(
        self, resources: list[str], *actions: str, conditions: Mapping[str, Any] | None = None
    ) -> None:
        self._role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=resources, conditions=conditions)
        )

    def _arn(
        self,
        service: str,
        resource: str,
        name: str | None,
        arn_format: ArnFormat = ArnFormat.SLASH_RESOURCE_NAME,
    ) -> str:
        return self._stack.format_arn(
            service=service, resource=resource, resource_name=name, arn_format=arn_format
        )


def _sagemaker(*actions: str) -> list[str]:
    """The actions, and those by which CloudFormation makes and reads a resource's tags."""
    return [f"sagemaker:{action}" for action in (*actions, "AddTags", "ListTags")]


def _comes_and_goes(resource: CfnResource) -> bool:
    return resource.cfn_options.condition is not None


def _verbs(resource: CfnResource, *always: str, noun: str) -> list[str]:
    """The actions of a resource, those that make and delete it where it is conditional."""
    verbs = (*(COMING_AND_GOING if _comes_and_goes(resource) else ()), *always)
    return [f"{verb}{noun}" for verb in verbs]


def allow_passing_to(role: iam.Role, passed: str, service: str) -> None:
    """Allow handing a role to one service."""
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[passed],
            conditions={"StringEquals": {"iam:PassedToService": service}},
        )
    )
