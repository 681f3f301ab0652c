"""What keeps a deployment from going on and is not the package's doing is tried again, and told."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import urllib3

from local_aws.server import EmbeddedAws, free_port

from .hindered import VARIANT, Hindered

QUOTA = "ml.m5.large for endpoint usage"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    folder = tmp_path_factory.mktemp("embedded")
    quotas = folder / "quotas.toml"
    quotas.write_text(f'[sagemaker]\n"{QUOTA}" = 9\n')
    with EmbeddedAws(folder / "state", free_port(), quotas=quotas) as aws:
        yield aws


@pytest.fixture(scope="module")
def watched(aws: EmbeddedAws) -> Hindered:
    made = Hindered(aws.session(), watch_seconds=3)
    made.make()
    return made


@pytest.fixture(scope="module")
def quick(aws: EmbeddedAws) -> Hindered:
    # A second or two of patience with a busy stack.
    made = Hindered(aws.session(), timeout_seconds=22)
    made.make()
    return made


@pytest.fixture
def running(watched: Hindered) -> str:
    approved = watched.named()
    return watched.deployed() if approved == "none" else approved


def status(environment: Hindered, package: str) -> str:
    return str(environment.package(package)["ModelApprovalStatus"])


# Whom a roll-back blames. One after another: for a minute, what failed counts.


def test_who_cancels_a_promotion_has_it_wait_until_it_is_approved_again(
    watched: Hindered, running: str
) -> None:
    new = watched.register()
    watched.decide(new)
    watched.eventually(lambda: watched.is_answering(new))
    watched.cloudformation.cancel_update_stack(StackName=watched.name)
    state = watched.await_state("RolledBack", new)
    assert state["cause"] == "cancelled"
    assert status(watched, new) == "Approved"
    assert watched.serves() == (running, "none")
    assert watched.named() == running
    assert datetime.fromisoformat(state["retry_at"]) > datetime.now(UTC) + timedelta(hours=23)
    watched.tick()
    watched.eventually(lambda: watched.waiting() == 0)
    assert watched.state() == state
    watched.decide(new)
    watched.tick()  # whether SageMaker has an event of a status that stays is not documented
    watched.await_state("InService", new)
    assert watched.serves() == (new, "none")


def test_requests_that_fail_once_the_new_version_answers_are_its_doing(
    watched: Hindered, running: str
) -> None:
    new = watched.register()
    watched.decide(new)
    watched.eventually(lambda: watched.is_answering(new))
    watched.fail_requests()  # as if its server died with each, and counted none
    state = watched.await_state("RolledBack", new)
    assert "Errors" in state["reason"]
    assert (state["cause"], state["retry_at"]) == ("package", "")
    assert status(watched, new) == "Rejected"
    assert watched.serves() == (running, "none")


def test_an_alarm_that_the_old_fleet_alone_can_trip_blames_no_version(
    watched: Hindered, running: str
) -> None:
    watched.fail_requests()
    watched.eventually(lambda: watched.is_on("Errors", running))
    new = watched.register()
    watched.decide(new)
    state = watched.await_state("RolledBack", new)
    assert "Errors" in state["reason"]
    assert state["cause"] == "old-fleet"
    assert status(watched, new) == "Approved"
    assert watched.named() == running  # and no deployment of stacks deploys the new one meanwhile
    watched.decide(new, "Rejected")


def test_a_version_that_fails_by_its_own_count_is_to_blame_whatever_the_old_fleet_does(
    aws: EmbeddedAws,
) -> None:
    environment = Hindered(aws.session(), watch_seconds=3)
    environment.make()
    running = environment.deployed()
    new = environment.register()
    environment.decide(new)
    environment.eventually(lambda: environment.is_answering(new))
    environment.tell_failures(running)
    environment.fail_requests()
    environment.tell_failures(new)
    assert environment.await_state("RolledBack", new)["cause"] == "package"
    assert status(environment, new) == "Rejected"


# What is tried again.


def test_capacity_that_is_refused_three_times_and_then_granted(quick: Hindered) -> None:
    running = quick.deployed()
    told = quick.failures()
    taken = take_instances(quick, 9)
    new = quick.register()
    quick.decide(new)

    def refused(times: int) -> bool:
        return quick.states(new).count("RolledBack") >= times

    for times in (1, 2, 3):
        quick.ticking(partial(refused, times))
        state = quick.state()
        assert "ResourceLimitExceeded" in state["reason"] or QUOTA in state["reason"]
        assert state["cause"] == "aws"
        assert quick.named() == running
        assert status(quick, new) == "Approved"
    give_back(quick, taken)
    quick.ticking(lambda: quick.state()["state"] == "InService")
    assert quick.serves() == (new, "none")
    assert quick.states(new) == ["Deploying", "RolledBack"] * 3 + ["Deploying", "InService"]
    pauses = [
        datetime.fromisoformat(each["retry_at"]) - datetime.fromisoformat(each["since"])
        for each in quick.history(new)
        if each["state"] == "RolledBack"
    ]
    assert [round(pause / timedelta(seconds=1)) for pause in pauses] == [1, 2, 4]
    quick.eventually(lambda: quick.failures() == told + 3)


def test_a_stack_that_is_busy_for_longer_than_an_invocation(quick: Hindered) -> None:
    quick.deployed()
    template = quick.cloudformation.get_template(StackName=quick.name)["TemplateBody"]
    waits = {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Waits": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "300"},
        },
    }
    template["Resources"] |= waits
    quick.cloudformation.update_stack(
        StackName=quick.name,
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_IAM"],
    )
    handle = quick.eventually(lambda: quick.resource("Handle"))
    new = quick.register()
    quick.decide(new)
    quick.eventually(lambda: quick.said("the message comes again") >= 2)
    assert quick.stack()["StackStatus"] == "UPDATE_IN_PROGRESS"
    answer = {"Status": "SUCCESS", "UniqueId": "1", "Data": "", "Reason": "enough"}
    assert urllib3.request("PUT", handle, body=json.dumps(answer)).status == 200
    quick.await_state("InService", new)
    assert quick.serves() == (new, "none")


def take_instances(environment: Hindered, most: int) -> str:
    """An endpoint of somebody else's, with all instances that the account still has."""
    endpoints = environment.sagemaker.list_endpoints()["Endpoints"]
    count = most - len(endpoints)  # each has one
    name = f"{environment.name}-other"
    served = environment.sagemaker.describe_endpoint(EndpointName=environment.name)
    config = environment.sagemaker.describe_endpoint_config(
        EndpointConfigName=served["EndpointConfigName"]
    )
    (variant,) = config["ProductionVariants"]
    environment.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant | {"VariantName": VARIANT, "InitialInstanceCount": count}],
    )
    environment.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return name


def give_back(environment: Hindered, name: str) -> None:
    environment.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    environment.sagemaker.delete_endpoint(EndpointName=name)
    environment.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
