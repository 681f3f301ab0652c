"""What an endpoint of one instance tells: its variables, its log, its schedules, its updates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from operations.smoke.probes.packages import PYTHON_PATH, package_request
from operations.smoke.probes.probe import Seen, asks, refusal
from operations.smoke.probes.rollouts import (
    deployment_config,
    logs,
    rest,
    set_alarm,
    variant,
    when_baking,
)
from operations.smoke.run import NotSeenError
from pipeline_code.contracts.serving import JSON

if TYPE_CHECKING:
    from operations.smoke.run import Run

_LOG_SECONDS = 180.0
_SCHEDULES = 4
_QUESTIONS = (
    *("package-variables", "hosting-region", "log-group-there", "four-schedules"),
    *("alarm-before-update", "rolled-back-endpoint"),
)


@asks(*_QUESTIONS, minutes={"hosting ml.t2.medium": 60})
def endpoint(run: Run) -> Iterator[Seen]:
    """An endpoint of a package; its role may not make log groups, its log group is there."""
    sagemaker, name = run.client("sagemaker"), run.named("api")
    model, refused = _model(run)
    for version in ("first", "second"):
        sagemaker.create_endpoint_config(
            EndpointConfigName=run.named(version),
            ProductionVariants=[variant(model, "ml.t2.medium")],
            DataCaptureConfig=_capture(run),
            Tags=run.tags(),
        )
    sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=run.named("first"), Tags=run.tags()
    )
    if (found := rest(run, name))["EndpointStatus"] != "InService":
        raise NotSeenError(f"the endpoint does not start: {found.get('FailureReason')}")
    yield from _told(run, name, refused)
    yield _schedules(run, name)
    yield from _updates(run, name)
    written = run.seen(lambda: logs(run, name), _LOG_SECONDS)
    yield Seen(question="log-group-there", reading="logs" if written else "silent")


def _model(run: Run) -> tuple[str, str | None]:
    """A model of a package with variables of its own, and why there can be no such model."""
    sagemaker = run.client("sagemaker")
    request = package_request(run)
    package = sagemaker.create_model_package(**request)["ModelPackageArn"]
    own = {"PYTHONPATH": PYTHON_PATH, "SMOKE_MODEL": "1"}

    def make(container: dict[str, Any]) -> None:
        sagemaker.create_model(
            ModelName=run.named("api"),
            ExecutionRoleArn=run.outputs["GrouplessRole"],
            PrimaryContainer={**container, "Environment": own},
            Tags=run.tags(),
        )

    refused = refusal(lambda: make({"ModelPackageName": package}), "environment")
    if refused is not None:
        (container,) = request["InferenceSpecification"]["Containers"]
        make(container)
    return run.named("api"), refused


def _capture(run: Run) -> dict[str, Any]:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{run.bucket}/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }


def _told(run: Run, name: str, refused: str | None) -> Iterator[Seen]:
    """What the container says of its variables."""
    answer = run.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=b"{}", ContentType=JSON
    )
    told = json.loads(answer["Body"].read())
    if refused is not None:
        yield Seen(question="package-variables", reading="refused", detail=refused)
    else:
        reading = "merge" if "SMOKE_PACKAGE" in told else "replace"
        yield Seen(question="package-variables", reading=reading, detail=", ".join(sorted(told)))
    region = {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(told)
    reading = "told" if region else "untold"
    yield Seen(question="hosting-region", reading=reading, detail=", ".join(sorted(region)))


def _schedules(run: Run, name: str) -> Seen:
    """Daily ones, half a day from now: none of them will run."""
    hour = (datetime.now(UTC) + timedelta(hours=12)).hour

    def make(number: int) -> None:
        run.client("sagemaker").create_monitoring_schedule(
            MonitoringScheduleName=run.named(f"schedule-{number}"),
            MonitoringScheduleConfig={
                "ScheduleConfig": {"ScheduleExpression": f"cron(0 {hour} ? * * *)"},
                "MonitoringJobDefinition": _monitoring_job(run, name),
            },
            Tags=run.tags(),
        )

    question = "four-schedules"
    if (why := refusal(partial(make, 0))) is not None:
        return Seen(question=question, reading=None, detail=f"not even one is taken: {why}")
    others = (refusal(partial(make, number)) for number in range(1, _SCHEDULES))
    why = next((each for each in others if each is not None), None)
    reading = "taken" if why is None else "refused"
    return Seen(question=question, reading=reading, detail=why or "")


def _monitoring_job(run: Run, name: str) -> dict[str, Any]:
    """In the shape of the project's `model_monitor` engine."""
    output = {"S3Uri": f"s3://{run.bucket}/reports", "LocalPath": "/opt/ml/processing/output"}
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}
    return {
        "RoleArn": run.outputs["ModelRole"],
        "MonitoringAppSpecification": {
            "ImageUri": run.serving_image,
            "ContainerEntrypoint": ["python", "-m", "pipeline_code", "monitor"],
        },
        "MonitoringInputs": [
            {
                "EndpointInput": {
                    "EndpointName": name,
                    "LocalPath": "/opt/ml/processing/input/endpoint",
                }
            }
        ],
        "MonitoringOutputConfig": {
            "MonitoringOutputs": [{"S3Output": {**output, "S3UploadMode": "EndOfJob"}}]
        },
        "MonitoringResources": {"ClusterConfig": cluster},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3000},
    }


def _updates(run: Run, name: str) -> Iterator[Seen]:
    """An update with an alarm that is on already; if it counts for nothing, one with an alarm that
    goes on meanwhile."""
    set_alarm(run, "api", "ALARM")
    _update(run, name, "second")
    found = rest(run, name)
    told = found.get("FailureReason", "")
    went_back = found["EndpointConfigName"] == run.named("first")
    if told and "alarm" not in told.lower():
        raise NotSeenError(f"the update failed for something else: {told}")
    reading = "roll-back" if went_back else "ignore"
    yield Seen(question="alarm-before-update", reading=reading, detail=told)
    if not went_back:
        set_alarm(run, "api", "OK")
        _update(run, name, "first")
        when_baking(run, name)
        set_alarm(run, "api", "ALARM")
        found = rest(run, name)
        if found["EndpointConfigName"] != run.named("second"):
            raise NotSeenError("an update goes on whose alarm goes off")
    told = found.get("FailureReason", "")
    reading = "told" if told else "silent"
    yield Seen(question="rolled-back-endpoint", reading=reading, detail=told)


def _update(run: Run, name: str, version: str) -> None:
    run.client("sagemaker").update_endpoint(
        EndpointName=name,
        EndpointConfigName=run.named(version),
        DeploymentConfig=deployment_config(run, run.outputs["ApiAlarm"]),
    )


@asks("package-instances", minutes={"hosting ml.c5.large": 15})
def instances(run: Run) -> Iterator[Seen]:
    """An endpoint on a type that its model's package does not list."""
    sagemaker, name = run.client("sagemaker"), run.named("types")
    request = package_request(run, SupportedRealtimeInferenceInstanceTypes=["ml.m5.large"])
    package = sagemaker.create_model_package(**request)["ModelPackageArn"]
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=run.outputs["ModelRole"],
        PrimaryContainer={"ModelPackageName": package},
        Tags=run.tags(),
    )

    def make() -> None:
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant(name, "ml.c5.large")]
        )
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    if (why := refusal(make, "instance type", "instancetype")) is None:
        found = rest(run, name)
        if found["EndpointStatus"] == "Failed":
            why = str(found.get("FailureReason"))
            if "instance type" not in why.lower():
                raise NotSeenError(f"the endpoint does not start: {why}")
    reading = "free" if why is None else "bind"
    yield Seen(question="package-instances", reading=reading, detail=why or "")
