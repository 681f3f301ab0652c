"""Roles that are given to services: who may pass them, and whether they let the service in.

Both is asked when a role is given (`iam:PassRole` with `iam:PassedToService`, IAM User Guide,
"Granting a user permissions to pass a role to an AWS service"); the trust policy again whenever it
is assumed. What CloudFormation passes is asked about by `stack_roles`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws import adapter
from local_aws.adapter.creations import CreationRefusal, CreationRequest, check_requests
from local_aws.adapter.creations import check_templates as check_resources
from local_aws.behaviours.playing import plays


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTakingService:
    """A service that takes roles.

    Attributes:
        operations: The actions and types with which it is given any.
        service: What assumes them, from what it is asked.
        code: Of its refusal.
        message: Of its refusal, of the role's ARN.
    """

    operations: frozenset[str]
    service: Callable[[CreationRequest], adapter.Service]
    code: str
    message: str


def install() -> None:
    """Check the roles of requests and templates."""
    check_requests(("codebuild", "events", "firehose", "lambda", "scheduler"), refusal)
    check_resources(
        [each for taker in _TAKERS for each in taker.operations if each.startswith("AWS::")],
        refusal,
    )


def passed(asked: CreationRequest) -> Iterator[tuple[str, str]]:
    """The roles that a request passes, each with the service that it is passed to."""
    for taker in _TAKERS:
        if asked.action in taker.operations:
            for role in sorted(set(roles_of(asked.document))):
                yield role, taker.service(asked).name


def refusal(asked: CreationRequest) -> CreationRefusal | None:
    """Why a service does not take a role, or None."""
    for taker in _TAKERS:
        if asked.action not in taker.operations:
            continue
        service, roles = taker.service(asked), {*roles_of(asked.document)}
        if asked.action == _START_BUILD:
            # A build runs as the project's role, which is assumed now, and not passed.
            roles.add(adapter.project_role(str(asked.document.get("projectName", ""))) or "")
        for role in sorted(roles - {""}):
            if service.not_trusted(role) is not None:
                return CreationRefusal(taker.code, taker.message.format(role=role))
    return None


def roles_of(value: Any) -> Iterator[str]:
    """ARNs of roles that a document gives to a service."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            if isinstance(member, str) and key.lower().endswith(("rolearn", "role")):
                yield from [member] if member.startswith("arn:") else ()
            else:
                yield from roles_of(member)
    elif isinstance(value, list):
        for member in value:
            yield from roles_of(member)


def events_service(rule_arn: str) -> adapter.Service:
    """EventBridge, as it acts for a rule.

    Both keys are of the rule (EventBridge User Guide, "Using IAM policy conditions ...").
    """
    return adapter.Service(
        name="events.amazonaws.com", source_arn=rule_arn, source_account=adapter.current_account()
    )


def scheduler_service(group: str) -> adapter.Service:
    """EventBridge Scheduler, as it acts for a schedule.

    `aws:SourceArn` is the schedule's group, never the schedule (Scheduler User Guide, "Confused
    deputy prevention").
    """
    account, region = adapter.current_account(), adapter.current_region()
    return adapter.Service(
        name="scheduler.amazonaws.com",
        source_arn=f"arn:aws:scheduler:{region}:{account}:schedule-group/{group}",
        source_account=account,
    )


def firehose_service() -> adapter.Service:
    """Firehose, which gives the account as external ID.

    No other key is documented (Firehose Developer Guide, "Allow Firehose to assume an IAM role").
    """
    account = adapter.current_account()
    return adapter.Service(
        name="firehose.amazonaws.com",
        source_account=account if plays("firehose-source", "source-account", "both") else None,
        external_id=account if plays("firehose-source", "external-id", "both") else None,
    )


_START_BUILD = "codebuild:StartBuild"
# Lambda names no source when it assumes an execution role (Lambda Developer Guide, "Defining
# Lambda function permissions with an execution role": the trust policy has no condition).
LAMBDA = adapter.Service(name="lambda.amazonaws.com")


def _of_rule(asked: CreationRequest) -> adapter.Service:
    document = asked.document
    bus = str(document.get("EventBusName", "default")).rpartition("/")[2]
    name = document.get("Rule") or document.get("Name") or asked.name
    path = name if bus == "default" else f"{bus}/{name}"
    place = f"{adapter.current_region()}:{adapter.current_account()}"
    return events_service(f"arn:aws:events:{place}:rule/{path}")


def _of_project(asked: CreationRequest) -> adapter.Service:
    # CodeBuild User Guide, "Cross-service confused deputy prevention": the project's ARN.
    members = ("name", "projectName", "Name")
    name = next(filter(None, map(asked.document.get, members)), asked.name)
    account, region = adapter.current_account(), adapter.current_region()
    return adapter.Service(
        name="codebuild.amazonaws.com",
        source_arn=f"arn:aws:codebuild:{region}:{account}:project/{name}",
        source_account=account,
    )


_TAKERS = (
    RoleTakingService(
        operations=frozenset({"events:PutRule", "events:PutTargets", "AWS::Events::Rule"}),
        service=_of_rule,
        code="ValidationException",
        # Miserlou/Zappa #381.
        message="Provided role '{role}' cannot be assumed by principal 'events.amazonaws.com'.",
    ),
    RoleTakingService(
        operations=frozenset(
            {
                "scheduler:CreateSchedule",
                "scheduler:UpdateSchedule",
                "AWS::Scheduler::Schedule",
            }
        ),
        service=lambda asked: scheduler_service(str(asked.document.get("GroupName", "default"))),
        code="ValidationException",
        # aws-sdk-js-v3 #6494.
        message=(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the "
            "role."
        ),
    ),
    RoleTakingService(
        operations=frozenset(
            {
                "lambda:CreateFunction",
                "lambda:UpdateFunctionConfiguration",
                "AWS::Lambda::Function",
            }
        ),
        service=lambda _asked: LAMBDA,
        code="InvalidParameterValueException",
        # boto3 #2976.
        message="The role defined for the function cannot be assumed by Lambda.",
    ),
    RoleTakingService(
        operations=frozenset(
            {
                "firehose:CreateDeliveryStream",
                "firehose:UpdateDestination",
                "AWS::KinesisFirehose::DeliveryStream",
            }
        ),
        service=lambda _asked: firehose_service(),
        code="InvalidArgumentException",
        # What terraform-provider-aws waits for (service/firehose, "unable to assume role").
        message="Firehose is unable to assume role {role}. Please check the role provided.",
    ),
    RoleTakingService(
        operations=frozenset(
            {
                "codebuild:CreateProject",
                "codebuild:UpdateProject",
                _START_BUILD,
                "AWS::CodeBuild::Project",
            }
        ),
        service=_of_project,
        code="InvalidInputException",
        # CodeBuild User Guide, "Troubleshooting AWS CodeBuild": this error comes "when creating or
        # updating a build project" (aws-samples/sagemaker-run-notebook #12, of CreateProject).
        message="CodeBuild is not authorized to perform: sts:AssumeRole on {role}",
    ),
)
