"""Promotion from end to end: registry, events, queue, function, stack, endpoint."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from lifecycle.deployment.seeded_parameter import SeededParameter
from lifecycle.lake.data_key import DataKey
from local_aws.server import EmbeddedAws, free_port
from pipeline_code.contracts.packages import variables_of

from .deployments import PINNED, RECORDED, REPOSITORY, Deployments, with_code
from .endpoint_stack import bare_stack


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployments]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        made = Deployments(aws.session())
        made.make()
        yield made


@pytest.fixture
def running(environment: Deployments) -> str:
    """The package that is served when the test begins."""
    approved = environment.named()
    return environment.deployed() if approved == "none" else approved


def test_the_policy_protects_the_endpoint_before_there_is_one(environment: Deployments) -> None:
    def policy() -> str | None:
        found = environment.cloudformation.get_stack_policy(StackName=environment.name)
        body: str | None = found.get("StackPolicyBody")
        return body

    _allow, deny = json.loads(environment.eventually(policy))["Statement"]
    assert deny["Action"] == ["Update:Replace", "Update:Delete"]
    assert deny["Condition"]["StringEquals"]["ResourceType"] == ["AWS::SageMaker::Endpoint"]


def test_an_approval_is_deployed_and_recorded(environment: Deployments) -> None:
    arn = environment.deployed()
    assert environment.named() == arn
    assert environment.serves() == (arn, "none")
    (told,) = environment.told()
    assert variables_of(told["MODEL_PACKAGE"]) == PINNED
    assert environment.states(arn) == ["Deploying", "InService"]
    assert environment.monitored(arn) == environment.learned(arn)


def test_a_parameter_that_names_the_package_by_its_arn_alone_goes_on(
    environment: Deployments, running: str
) -> None:
    # As the parameter was before it spelled packages; the model's server is of that time, too.
    environment.ssm.put_parameter(
        Name=environment.parameter("approved"), Value=running, Overwrite=True
    )
    environment.cloudformation.update_stack(
        StackName=environment.name,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": each["ParameterKey"], "UsePreviousValue": True}
            for each in environment.stack()["Parameters"]
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    environment.await_stack("UPDATE_COMPLETE")
    environment.eventually(lambda: environment.waiting() == 0)
    assert environment.told()[0]["MODEL_PACKAGE"] == running
    assert environment.value("approved") == running


def test_what_a_monitor_lacks_is_copied_with_the_next_event(
    environment: Deployments, running: str
) -> None:
    key = f"monitoring/baseline/{running.partition(':model-package/')[2]}/bias/statistics.json"
    environment.s3.delete_object(Bucket=environment.name, Key=key)
    environment.challenge("none")  # an event of any kind
    environment.eventually(lambda: environment.monitored(running) == environment.learned(running))


def test_approvals_wait_for_an_update_that_is_under_way_and_the_newest_wins(
    environment: Deployments, running: str
) -> None:
    first, second, third = (environment.register() for _ in range(3))
    environment.decide(first)
    environment.await_stack("UPDATE_IN_PROGRESS")
    environment.decide(second)
    environment.decide(third)
    assert environment.await_state("InService", third)["previous"] == first
    assert environment.serves() == (third, "none")
    assert environment.states(second) == []  # by the time the stack rested, it was overtaken
    assert environment.package(second)["ModelApprovalStatus"] == "Approved"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image": "elsewhere/fraudloop:1"}, f"image must be of {REPOSITORY}, got elsewhere/"),
        (
            {"recorded": RECORDED | {"feature_schema_version": "v1"}},
            "feature_schema_version must be v2 or v3, got v1",
        ),
        (
            {"recorded": {"feature_schema_version": "v2"}},
            "capture_contract must be 1, got a package that does not say; it was registered before",
        ),
        ({"variables": {}}, "MODEL_DIGEST must be among its variables, got none; it was"),
    ],
)
def test_a_package_that_does_not_fit_is_refused(
    environment: Deployments, running: str, fields: dict[str, str], reason: str
) -> None:
    arn = environment.register(**fields)  # type: ignore[arg-type]
    environment.decide(arn)
    state = environment.await_state("Refused", arn)
    assert state["reason"].startswith(reason)
    assert state["previous"] == running
    package = environment.package(arn)
    assert package["ModelApprovalStatus"] == "Rejected"
    assert package["ApprovalDescription"].startswith(f"it does not fit: {reason}")
    (record,) = (
        text
        for name, text in package["CustomerMetadataProperties"].items()
        if name.startswith("decision_") and " Rejected by arn:aws:sts::" in text
    )
    assert ": it does not fit: " in record
    assert environment.serves() == (running, "none")
    assert environment.named() == running


def rules(environment: Deployments, name: str) -> list[str]:
    """The names of the stack's rules whose logical ID ends so."""
    found = environment.cloudformation.describe_stack_resources(StackName=environment.name)
    return [
        each["PhysicalResourceId"]
        for each in found["StackResources"]
        if each["ResourceType"] == "AWS::Events::Rule" and name in each["LogicalResourceId"]
    ]


def test_a_roll_back_whose_event_is_lost_is_noted_with_the_next_event(
    environment: Deployments, running: str
) -> None:
    events, (rule,) = environment.session.client("events"), rules(environment, "Ended")
    events.disable_rule(Name=rule)
    try:
        broken = environment.register("absent")
        environment.decide(broken)
        environment.await_stack("UPDATE_ROLLBACK_COMPLETE")
        environment.eventually(lambda: environment.waiting() == 0)
        assert environment.named() == broken
    finally:
        events.enable_rule(Name=rule)
    environment.challenge("none")  # an event of any kind
    environment.await_state("RolledBack", broken)
    assert environment.named() == running
    assert environment.package(broken)["ModelApprovalStatus"] == "Rejected"


def test_after_a_roll_back_the_parameter_names_what_runs_and_nothing_repeats_it(
    environment: Deployments, running: str
) -> None:
    broken = environment.register("absent")
    environment.decide(broken)
    state = environment.await_state("RolledBack", broken)
    assert environment.stack()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "absent.tar.gz" in state["reason"]
    assert (state["model_package"], state["previous"]) == (broken, running)
    assert environment.named() == running
    assert environment.serves() == (running, "none")
    assert environment.monitored(running) == environment.learned(running)
    package = environment.package(broken)
    assert package["ModelApprovalStatus"] == "Rejected"
    assert "its deployment was rolled back" in package["ApprovalDescription"]
    environment.deployed()  # and the next one is


def test_a_roll_back_is_an_alarm(environment: Deployments, running: str) -> None:
    broken = environment.register("broken")
    environment.decide(broken)
    # Why the archive cannot be opened takes several lines, of which SageMaker's pattern takes one.
    assert "\n" in environment.await_state("RolledBack", broken)["reason"]
    assert "not a gzip file" in environment.package(broken)["ApprovalDescription"]
    cloudwatch = environment.session.client("cloudwatch")

    def is_on() -> bool:
        alarms = cloudwatch.describe_alarms(AlarmNamePrefix=environment.name)["MetricAlarms"]
        return [alarm["MetricName"] for alarm in alarms if alarm["StateValue"] == "ALARM"] == [
            "FailedDeployments"
        ]

    environment.eventually(is_on)


def test_the_age_of_what_serves_is_measured(environment: Deployments, running: str) -> None:
    cloudwatch = environment.session.client("cloudwatch")
    now = datetime.now(UTC)

    def ages() -> list[float]:
        points = cloudwatch.get_metric_statistics(
            Namespace=environment.name,
            MetricName="ChampionAgeDays",
            Dimensions=[{"Name": "EndpointName", "Value": environment.name}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Maximum"],
        )["Datapoints"]
        return [point["Maximum"] for point in points]

    # The packages were all made by these tests; an hour may turn meanwhile.
    assert all(0 < age < 1 for age in environment.eventually(ages))


def test_rejecting_what_is_deployed_brings_back_the_one_before(
    environment: Deployments, running: str
) -> None:
    newer = environment.deployed()
    environment.decide(newer, "Rejected")
    environment.await_state("InService", running)
    assert environment.serves() == (running, "none")


def test_each_model_reads_the_groups_of_its_version_after_a_roll_back_too(
    environment: Deployments, running: str
) -> None:
    def groups() -> list[tuple[str, str]]:
        return [
            (told["MODEL_PACKAGE_ARN"], told["CUSTOMER_FEATURE_GROUP"])
            for told in environment.told()
        ]

    before = environment.value("approved")
    newer = environment.register(recorded=RECORDED | {"feature_schema_version": "v3"})
    environment.challenge(newer)
    both = [(running, "customers-v2"), (newer, "customers-v3")]
    environment.eventually(lambda: groups() == both)
    environment.await_state("InService", running)
    environment.decide(newer)
    environment.await_state("InService", newer)
    assert groups() == [(newer, "customers-v3")]
    environment.decide(newer, "Rejected")
    environment.await_state("InService", running)
    assert groups() == [(running, "customers-v2")]
    assert environment.value("approved") == before


def test_a_challenger_is_put_into_the_shadow_and_taken_out(
    environment: Deployments, running: str
) -> None:
    # It waits for a decision: nobody has approved it.
    challenger = environment.register()
    environment.challenge(challenger)
    environment.eventually(lambda: environment.serves() == (running, challenger))
    environment.await_state("InService", running)
    environment.challenge("none")
    environment.eventually(lambda: environment.serves() == (running, "none"))
    environment.await_state("InService", running)
    assert environment.package(challenger)["ModelApprovalStatus"] == "PendingManualApproval"


@pytest.mark.parametrize("kind", ["rejected", "unknown", "broken"])
def test_a_challenger_that_cannot_run_is_let_go(
    environment: Deployments, running: str, kind: str
) -> None:
    challenger = "7" if kind == "unknown" else environment.register("absent")
    if kind == "rejected":
        environment.decide(challenger, "Rejected")
    environment.challenge(challenger)
    environment.eventually(lambda: environment.value("challenger") == "none")
    environment.eventually(lambda: environment.waiting() == 0)
    state = environment.state()
    assert state["challenger"] == challenger
    assert state["state"] == ("RolledBack" if kind == "broken" else "Refused")
    assert environment.serves() == (running, "none")
    assert environment.named() == running
    assert environment.package(running)["ModelApprovalStatus"] == "Approved"


def test_somebody_elses_update_that_takes_the_endpoint_away_is_undone_and_nobody_blamed(
    environment: Deployments, running: str
) -> None:
    cloudformation = environment.cloudformation
    template = cloudformation.get_template(StackName=environment.name)["TemplateBody"]
    template = json.loads(template) if isinstance(template, str) else template
    without = {k: v for k, v in template["Resources"].items() if k != "Endpoint"}
    cloudformation.update_stack(
        StackName=environment.name,
        TemplateBody=json.dumps({**template, "Resources": without}),
        Capabilities=["CAPABILITY_IAM"],
    )
    environment.await_stack("UPDATE_ROLLBACK_COMPLETE")
    environment.eventually(lambda: environment.waiting() == 0)
    assert environment.serves() == (running, "none")
    assert environment.named() == running
    assert environment.package(running)["ModelApprovalStatus"] == "Approved"
    environment.deployed()


# The parameter's own resource.


class Seeded:
    """A stack with nothing but a parameter that it seeds."""

    def __init__(self, environment: Deployments) -> None:
        self.name = f"seeded-{uuid.uuid4().hex[:8]}"
        self.parameter = f"/{self.name}"
        self._environment = environment

    def deploy(self, construct_id: str) -> None:
        stack, environment = bare_stack(self.name), self._environment
        SeededParameter(
            stack,
            construct_id,
            parameter_name=self.parameter,
            encryption_key=DataKey(stack, "Key", removal_policy=cdk.RemovalPolicy.DESTROY).key,
            endpoint_name=environment.name,
        )
        template = with_code(Template.from_stack(stack).to_json(), environment.s3, environment.name)
        arguments = {
            "StackName": self.name,
            "TemplateBody": json.dumps(template),
            "Capabilities": ["CAPABILITY_IAM"],
        }
        cloudformation = environment.cloudformation
        try:
            cloudformation.create_stack(**arguments)
            kind = "create"
        except cloudformation.exceptions.AlreadyExistsException:
            cloudformation.update_stack(**arguments)
            kind = "update"
        cloudformation.get_waiter(f"stack_{kind}_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
        )

    def delete(self) -> None:
        self._environment.cloudformation.delete_stack(StackName=self.name)
        self._environment.cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
        )

    def value(self) -> str | None:
        found = self._environment.ssm.get_parameters(Names=[self.parameter])["Parameters"]
        return found[0]["Value"] if found else None


def test_a_parameter_that_is_lost_while_an_endpoint_runs_is_made_with_what_it_serves(
    environment: Deployments, running: str
) -> None:
    seeded = Seeded(environment)
    seeded.deploy("Approved")
    assert seeded.value() == environment.value("approved")
    # Under another name, the new resource is made before the old one is deleted.
    seeded.deploy("Renamed")
    assert seeded.value() == environment.value("approved")
    seeded.delete()
    assert seeded.value() == environment.value("approved")


def test_without_an_endpoint_the_parameter_is_none_at_first_and_goes_with_its_stack(
    environment: Deployments,
) -> None:
    nowhere = Deployments(environment.session)
    environment.s3.create_bucket(Bucket=nowhere.name)
    seeded = Seeded(nowhere)
    seeded.deploy("Approved")
    assert seeded.value() == "none"
    environment.ssm.put_parameter(Name=seeded.parameter, Value="a-model", Overwrite=True)
    seeded.deploy("Renamed")
    assert seeded.value() == "a-model"
    seeded.delete()
    assert seeded.value() is None


def test_a_kind_without_a_baseline_keeps_no_model_from_serving(environment: Deployments) -> None:
    arn = environment.register(kinds=["data-quality"])
    gone = environment.package(arn)["DriftCheckBaselines"]["ModelDataQuality"]["Statistics"]
    environment.s3.delete_object(
        Bucket=environment.name, Key=gone["S3Uri"].removeprefix(f"s3://{environment.name}/")
    )
    environment.decide(arn)
    environment.await_state("InService", arn)
    assert set(environment.monitored(arn)) == {"data-quality/constraints.json"}
