"""The other of each two behaviours between which AWS leaves the choice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.errors import BehaviourError
from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.sagemaker.serving import IMAGE, STAND_IN, Serving, unique


def told(folder: Path, behaviour: Any) -> Path:
    """A file as `fraudloop smoke --json` writes it."""
    file = folder / "told.json"
    file.write_text(json.dumps({"account": "123456789012", "behaviour": behaviour}))
    return file


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("turned")
    file = told(folder, {"alarm-before-update": "ignore", "package-variables": "merge"})
    with EmbeddedAws(folder / "state", free_port(), behaviour=file) as aws:
        session, clients = aws.session(), dict[str, Any]()

        def client(service: str) -> Any:
            return clients.setdefault(service, session.client(service))

        yield Serving.make(client)


def test_an_alarm_that_was_on_before_does_not_count(serving: Serving) -> None:
    cloudwatch, alarm = serving.client("cloudwatch"), unique("alarm")
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="Nothing",
        MetricName="Ever",
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    name = serving.endpoint(serving.config(serving.model("one")))
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="before")
    wanted = serving.config(serving.model("two"))
    serving.client("sagemaker").update_endpoint(
        EndpointName=name,
        EndpointConfigName=wanted,
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 1}
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
        },
    )
    settled = serving.settled(name)
    assert (settled["EndpointConfigName"], "FailureReason" in settled) == (wanted, False)


def test_a_models_variables_are_added_to_its_packages(serving: Serving) -> None:
    sagemaker, group = serving.client("sagemaker"), unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{serving.bucket}/model.tar.gz",
        "Environment": {"PYTHONPATH": str(STAND_IN), "STAND_IN_NAME": "package"},
    }
    package = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    model = unique("model")
    sagemaker.create_model(
        ModelName=model,
        ExecutionRoleArn=serving.role,
        PrimaryContainer={"ModelPackageName": package, "Environment": {"STAND_IN_NAME": "own"}},
    )
    # Without the package's PYTHONPATH the stand-in would not be found.
    assert serving.ask(serving.endpoint(serving.config(model)))["name"] == "own"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"rolled-back-endpoint": "loud"}, "rolled-back-endpoint must be told or silent, got loud"),
        ({"rolled-back": "told"}, "must have questions of feature-group-source, .*got rolled-back"),
        ("told", "must be an object with the member 'behaviour'"),
    ],
)
def test_what_is_no_reading_is_refused(tmp_path: Path, behaviour: Any, words: str) -> None:
    with pytest.raises(BehaviourError, match=words):
        EmbeddedAws(tmp_path / "state", free_port(), behaviour=told(tmp_path, behaviour)).start()
    assert not (tmp_path / "state").exists()


def test_it_is_kept_with_the_state(tmp_path: Path) -> None:
    behaviour = {"hosting-region": "told"}
    first = EmbeddedAws(tmp_path / "state", free_port(), behaviour=told(tmp_path, behaviour))
    with first:
        assert not first.start()
        other = told(tmp_path, {"hosting-region": "untold"})
        with pytest.raises(BehaviourError, match="already runs and plays something else"):
            EmbeddedAws(tmp_path / "state", first.port, behaviour=other).start()
    with EmbeddedAws(tmp_path / "state", first.port) as again:
        assert again.behaviour() == behaviour
