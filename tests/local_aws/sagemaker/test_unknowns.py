"""The other of each two behaviours between which AWS leaves the choice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.server import EmbeddedAws, EmbeddedAwsError, free_port
from tests.local_aws.sagemaker.serving import IMAGE, STAND_IN, Serving, unique


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAUDLOOP_ALARMS_BEFORE", "ignore")
        patch.setenv("FRAUDLOOP_PACKAGE_VARIABLES", "merge")
        with EmbeddedAws(tmp_path_factory.mktemp("unknowns") / "state", free_port()) as aws:
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


def test_a_behaviour_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAUDLOOP_ROLL_BACKS", "loud")
    with pytest.raises(EmbeddedAwsError, match="must be told or silent, got loud"):
        EmbeddedAws(tmp_path / "state", free_port()).start()
