"""The other of each two behaviours between which AWS leaves the choice: the project works too.

`test_deployments` plays the ones that the embedded AWS has without a setting.
"""

from collections.abc import Iterator

import pytest

from local_aws.behaviours import questions
from local_aws.server import EmbeddedAws, free_port
from tests.pipeline_code.lambdas.deployments import Deployments


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployments]:
    folder = tmp_path_factory.mktemp("embedded")
    file = folder / "told.json"
    questions.write(
        file,
        {
            "alarm-before-update": "ignore",
            "package-variables": "merge",
            "rolled-back-endpoint": "silent",
            "rolled-back-stack": "done",
        },
    )
    with EmbeddedAws(folder / "state", free_port(), behaviour=file) as aws:
        made = Deployments(aws.session())
        made.make()
        yield made


def test_a_silent_roll_back_is_one_and_what_served_goes_on(environment: Deployments) -> None:
    first = environment.deployed()
    broken = environment.register("broken")
    environment.decide(broken)
    environment.eventually(lambda: environment.package(broken)["ModelApprovalStatus"] == "Rejected")
    assert "went back" in environment.package(broken)["ApprovalDescription"]
    # The configuration that it served by is gone: it is deployed anew, from what is approved.
    environment.await_state("InService", first)
    assert environment.serves() == (first, "none")
    assert environment.named() == first
    assert environment.states(broken) == ["Deploying", "RolledBack"]
    # And the next promotion is one like any other.
    second = environment.deployed()
    assert environment.serves() == (second, "none")


def test_a_challenger_that_goes_silently_is_let_go(environment: Deployments) -> None:
    running = environment.deployed()
    environment.challenge(environment.register("broken"))
    environment.eventually(lambda: environment.value("challenger") == "none")
    environment.await_state("InService", running)
    assert environment.serves() == (running, "none")
    assert environment.package(running)["ModelApprovalStatus"] == "Approved"


def test_a_collision_blames_no_package(environment: Deployments) -> None:
    environment.deployed()
    environment.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=environment.name,
        DesiredWeightsAndCapacities=[{"VariantName": "model", "DesiredInstanceCount": 2}],
    )
    wanted = environment.register()
    environment.decide(wanted)
    environment.await_state("InService", wanted)
    assert environment.states(wanted) == ["Deploying", "InService"]
