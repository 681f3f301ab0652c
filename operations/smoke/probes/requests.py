"""When SageMaker and KMS look at what a request names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from operations.smoke.probes.probe import Seen, as_role, asks, refusal
from operations.smoke.run import NotSeenError
from pipeline_code.contracts.serving import CSV

if TYPE_CHECKING:
    from operations.smoke.run import Run

_ABSENT_KEY = "00000000-0000-4000-8000-000000000000"


@asks("json-get", "role-at-once")
def pipelines(run: Run) -> Iterator[Seen]:
    """Pipelines without and with Std:JsonGet outside conditions, and one of a role that is not."""
    plain = refusal(lambda: _pipeline(run, "plain", "no", run.outputs["ModelRole"]))
    if plain is not None:
        raise NotSeenError(f"a plain pipeline is refused, too: {plain}")
    found = {
        "Std:JsonGet": {
            "PropertyFile": {"Get": "Steps.Look.PropertyFiles.Report"},
            "Path": "reason",
        }
    }
    why = refusal(lambda: _pipeline(run, "json-get", found, run.outputs["ModelRole"]))
    reading = "anywhere" if why is None else "conditions"
    yield Seen(question="json-get", reading=reading, detail=why or "")
    absent = f"{run.outputs['ModelRole'].rpartition('/')[0]}/{run.named('absent')}"
    why = refusal(lambda: _pipeline(run, "role", "no", absent), "role")
    reading = "later" if why is None else "at-once"
    yield Seen(question="role-at-once", reading=reading, detail=why or "")


def _pipeline(run: Run, name: str, value: Any, role: str) -> None:
    """A pipeline with a value where the project's training pipeline has one of a property file."""
    image = run.image or _image(run)
    output = {
        "S3Uri": f"s3://{run.bucket}/report",
        "LocalPath": "/opt/ml/processing/output",
        "S3UploadMode": "EndOfJob",
    }
    look = {
        "RoleArn": run.outputs["ModelRole"],
        "AppSpecification": {"ImageUri": image},
        "ProcessingResources": {"ClusterConfig": _cluster()},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "report", "S3Output": output}]},
    }
    container = {
        "Image": image,
        "ModelDataUrl": f"s3://{run.bucket}/model.tar.gz",
        "Environment": {"SMOKE": value},
    }
    register = {
        "ModelPackageGroupName": run.name,
        "CustomerMetadataProperties": {"smoke": value},
        "ModelCard": {"ModelCardContent": value, "ModelCardStatus": "PendingReview"},
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": [CSV],
            "SupportedResponseMIMETypes": [CSV],
        },
    }
    file = {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}
    steps: list[dict[str, Any]] = [
        {"Name": "Look", "Type": "Processing", "Arguments": look, "PropertyFiles": [file]},
        {"Name": "Register", "Type": "RegisterModel", "Arguments": register},
        {"Name": "Fail", "Type": "Fail", "Arguments": {"ErrorMessage": value}},
    ]
    for step in steps[1:]:
        step["DependsOn"] = ["Look"]
    run.client("sagemaker").create_pipeline(
        PipelineName=run.named(name),
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": steps}),
        RoleArn=role,
        Tags=run.tags(),
    )


def _image(run: Run) -> str:
    """An image that is not there; nothing is ever started with it."""
    return f"{run.account}.dkr.ecr.{run.region}.amazonaws.com/{run.named('absent')}:none"


def _cluster() -> dict[str, Any]:
    return {"InstanceCount": 1, "InstanceType": "ml.t3.medium", "VolumeSizeInGB": 1}


@asks("image-at-once", minutes={"processing ml.t3.medium": 10})
def jobs(run: Run) -> Iterator[Seen]:
    """A processing job of an image of a repository that is not there."""

    def make() -> None:
        run.client("sagemaker").create_processing_job(
            ProcessingJobName=run.named("image"),
            AppSpecification={"ImageUri": _image(run)},
            ProcessingResources={"ClusterConfig": _cluster()},
            RoleArn=run.outputs["ModelRole"],
            StoppingCondition={"MaxRuntimeInSeconds": 300},
            Tags=run.tags(),
        )

    why = refusal(make, "repository", "image")
    reading = "later" if why is None else "at-once"
    yield Seen(question="image-at-once", reading=reading, detail=why or "")


@asks("key-at-once", "network-at-once")
def models(run: Run) -> Iterator[Seen]:
    """A model in a network that is not there, and a configuration under a key that is not."""
    sagemaker, container = run.client("sagemaker"), {"Image": run.serving_image}

    def model(name: str, **more: Any) -> str:
        sagemaker.create_model(
            ModelName=run.named(name),
            ExecutionRoleArn=run.outputs["ModelRole"],
            PrimaryContainer=container,
            Tags=run.tags(),
            **more,
        )
        return run.named(name)

    nowhere = {
        "Subnets": ["subnet-00000000000000000"],
        "SecurityGroupIds": ["sg-00000000000000000"],
    }
    why = refusal(lambda: model("network", VpcConfig=nowhere), "subnet", "security group", "vpc")
    reading = "later" if why is None else "at-once"
    yield Seen(question="network-at-once", reading=reading, detail=why or "")
    variant = {
        "VariantName": "model",
        "ModelName": model("key"),
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    absent = f"{run.outputs['Key'].rpartition('/')[0]}/{_ABSENT_KEY}"
    why = refusal(
        lambda: sagemaker.create_endpoint_config(
            EndpointConfigName=run.named("key"), KmsKeyId=absent, ProductionVariants=[variant]
        ),
        "key",
    )
    reading = "later" if why is None else "at-once"
    yield Seen(question="key-at-once", reading=reading, detail=why or "")


@asks("direct-grants")
def grants(run: Run) -> Iterator[Seen]:
    """A grant by a role that may make some only where the condition is false, and not absent."""
    kms = as_role(run, "GrantingCaller", "kms")
    reasons = [""]

    def granted() -> bool:
        try:
            kms.create_grant(
                KeyId=run.outputs["Key"],
                GranteePrincipal=run.outputs["GrantingCaller"],
                Operations=["DescribeKey"],
            )
        except ClientError as error:
            reasons.append(str(error))
            if "AccessDenied" not in error.response["Error"]["Code"]:
                raise
            return False
        return True

    reading = "false" if run.seen(granted, 60) else "absent"
    yield Seen(question="direct-grants", reading=reading, detail=reasons[-1])
