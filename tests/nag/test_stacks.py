"""What people, programs and data depend on, across versions of the templates."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import build_app
from stacks.environments import ENVIRONMENTS

from .conftest import ROOT, Synthesized, Template

STAGES = {
    "DataLake": "data-lake",
    "FeatureStore": "feature-store",
    "Training": "training",
    "Serving": "serving",
    "Monitoring": "monitoring",
    "Streaming": "streaming",
    "Retraining": "retraining",
}
OUTPUTS = {
    "DataLake": {
        "RawBucketName",
        "FeaturesBucketName",
        "ArtifactsBucketName",
        "CapturesBucketName",
        "GlueDatabaseName",
        "WorkgroupName",
        "EncryptionKeyArn",
    },
    "FeatureStore": {"CustomerFeatureGroupName", "TerminalFeatureGroupName"},
    "Training": {"TrainingPipelineName", "ModelPackageGroupName", "ImageUri"},
    "Serving": {
        "EndpointName",
        "RolloutTimeoutSeconds",
        "ApprovedModelParameterName",
        "BatchPipelineName",
        "ServingAlarmTopicArn",
        "DeploymentQueueUrl",
        "DeploymentFailuresQueueUrl",
        "DeploymentUndeliveredQueueUrl",
        "DeploymentStateParameterName",
    },
    "Streaming": {
        "EventStreamName",
        "TerminalEventStreamName",
        "StreamingAlarmTopicArn",
        "CustomerFunctionName",
        "CustomerFailuresQueueUrl",
        "TerminalFunctionName",
        "TerminalFailuresQueueUrl",
    },
    "Retraining": {
        "RetrainingFunctionName",
        "RetrainingQueueUrl",
        "RetrainingFailuresQueueUrl",
        "RetrainingUndeliveredQueueUrl",
        "RetrainingStateParameterName",
    },
}
# A changed logical ID is a replacement: of a bucket with its data, a key with what it encrypts.
STATEFUL = {
    "EventsStreamA348795C": "AWS::Kinesis::Stream",
    "ImageRepositoryD8036990": "AWS::ECR::Repository",
    "LakeAccessLogs4431AB8D": "AWS::S3::Bucket",
    "LakeArtifacts2DD6A05E": "AWS::S3::Bucket",
    "LakeCaptures384E977C": "AWS::S3::Bucket",
    "LakeDataKey9FEE9968": "AWS::KMS::Key",
    "LakeFeatures22ED2D8C": "AWS::S3::Bucket",
    "LakeRaw8A880B75": "AWS::S3::Bucket",
    "RegistryGroupF9A457C4": "AWS::SageMaker::ModelPackageGroup",
    "StoreCustomer55CDA562": "AWS::SageMaker::FeatureGroup",
    "StoreTerminalC8402F4C": "AWS::SageMaker::FeatureGroup",
    "TerminalEventsStream427D61A8": "AWS::Kinesis::Stream",
}
KEEPS_DATA = (
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::S3::Bucket",
    "AWS::SageMaker::FeatureGroup",
    "AWS::SageMaker::ModelPackageGroup",
)


def manifest(synthesized: Synthesized, environment: str) -> dict[str, Any]:
    text = (synthesized.folder / environment / "manifest.json").read_text()
    artifacts: dict[str, Any] = json.loads(text)["artifacts"]
    return {k: v for k, v in artifacts.items() if v["type"] == "aws:cloudformation:stack"}


def test_there_is_a_stack_per_stage(synthesized: Synthesized, environment: str) -> None:
    stacks = manifest(synthesized, environment)
    assert {name: stack["properties"]["stackName"] for name, stack in stacks.items()} == {
        name: f"fraudloop-{environment}-{suffix}" for name, suffix in STAGES.items()
    }


def test_stacks_go_to_any_account_and_region(synthesized: Synthesized, environment: str) -> None:
    places = {stack["environment"] for stack in manifest(synthesized, environment).values()}
    assert places == {"aws://unknown-account/unknown-region"}


def test_the_parameter_exists_before_the_stacks_that_read_it(
    synthesized: Synthesized, environment: str
) -> None:
    stacks = manifest(synthesized, environment)
    assert "Training" in stacks["Serving"]["dependencies"]
    assert "Serving" in stacks["Monitoring"]["dependencies"]


def test_feature_groups_exist_before_the_jobs_that_write_them(
    synthesized: Synthesized, environment: str
) -> None:
    assert "FeatureStore" in manifest(synthesized, environment)["Training"]["dependencies"]


def test_the_image_and_the_groups_exist_before_the_consumers(
    synthesized: Synthesized, environment: str
) -> None:
    needed = set(manifest(synthesized, environment)["Streaming"]["dependencies"])
    assert {"DataLake", "FeatureStore", "Training"} <= needed


def test_ingestion_does_not_wait_for_serving_and_monitoring(
    synthesized: Synthesized, environment: str, templates: dict[str, Template]
) -> None:
    stacks = manifest(synthesized, environment)
    needed, more = set[str](), {"Streaming"}
    while more:
        needed |= more
        more = {each for name in more for each in stacks[name]["dependencies"]} & set(stacks)
        more -= needed
    assert needed == {"Streaming", "DataLake", "FeatureStore", "Training"}
    # An export that an older version's stack imports must stay until that stack is updated, and
    # Streaming used to import this one: it is still there, for Retraining.
    imported = json.dumps(templates["Retraining"])
    exported = [
        output["Export"]["Name"]
        for output in templates["Monitoring"]["Outputs"].values()
        if "Topic" in output.get("Export", {}).get("Name", "")
    ]
    assert exported
    assert all(f'"Fn::ImportValue": "{name}"' in imported for name in exported)


@pytest.mark.parametrize("stack", OUTPUTS)
def test_outputs_are_found_by_these_names(templates: dict[str, Template], stack: str) -> None:
    outputs = {name for name in templates[stack]["Outputs"] if not name.startswith("ExportsOutput")}
    # Where the endpoint has a shadow, and only there.
    assert outputs - {"ChallengerParameterName"} == OUTPUTS[stack]


def test_a_challenger_has_a_parameter_where_the_endpoint_has_a_shadow(
    templates: dict[str, Template], environment: str
) -> None:
    has_shadow = ENVIRONMENTS[environment].endpoint.shadow is not None
    serving = templates["Serving"]
    assert ("ChallengerParameterName" in serving["Outputs"]) is has_shadow
    assert ("ChallengerModelPackage" in serving["Parameters"]) is has_shadow
    seeded = [
        resource["Properties"]["ParameterName"]
        for resource in templates["Training"]["Resources"].values()
        if resource["Type"] == "Custom::SeededParameter"
    ]
    name = f"/fraudloop/{environment}/challenger-model-package"
    assert (name in seeded) is has_shadow
    if has_shadow:
        assert serving["Parameters"]["ChallengerModelPackage"]["Default"] == name


def test_the_monitors_are_found_by_kind(templates: dict[str, Template], environment: str) -> None:
    outputs = {name: each["Value"] for name, each in templates["Monitoring"]["Outputs"].items()}
    engine = "model_monitor" if environment == "local" else "scheduled"
    kinds = {
        "DataQuality": "data-quality",
        "ModelQuality": "model-quality",
        "Bias": "bias",
        "Attribution": "attribution",
    }
    expected = {f"{name}MonitorName": f"fraudloop-{environment}-{k}" for name, k in kinds.items()}
    expected |= {
        "MonitoringEngine": engine,
        "LabelsPipelineName": f"fraudloop-{environment}-labels",
        "ParityPipelineName": f"fraudloop-{environment}-parity",
        "DashboardName": f"fraudloop-{environment}-monitoring",
    }
    assert outputs.items() >= expected.items()
    assert "AlarmTopicArn" in outputs


def test_every_alarm_of_monitors_retraining_and_streams_reaches_people(
    templates: dict[str, Template],
) -> None:
    for stack in ("Monitoring", "Retraining", "Streaming"):
        alarms = {
            logical_id: resource["Properties"]
            for logical_id, resource in templates[stack]["Resources"].items()
            if resource["Type"] == "AWS::CloudWatch::Alarm"
        }
        assert alarms
        for name, properties in alarms.items():
            assert properties["AlarmActions"], name
            assert properties["AlarmDescription"], name


def test_what_keeps_data_keeps_its_logical_id(templates: dict[str, Template]) -> None:
    kept = {
        logical_id: resource["Type"]
        for template in templates.values()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in KEEPS_DATA
    }
    assert kept == STATEFUL


# What a failed creation left of these would have the name that the next one needs.
NAMED = {
    "AWS::Kinesis::Stream",
    "AWS::SageMaker::FeatureGroup",
    "AWS::SageMaker::ModelPackageGroup",
}


def test_what_is_kept_can_be_found_and_made_again(
    templates: dict[str, Template], environment: str
) -> None:
    for stage, template in templates.items():
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] not in KEEPS_DATA:
                continue
            kept = "RetainExceptOnCreate" if resource["Type"] in NAMED else "Retain"
            assert resource["DeletionPolicy"] == ("Delete" if environment == "local" else kept)
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            stack = f"fraudloop-{environment}-{STAGES[stage]}"
            assert tags["fraudloop:resource"] == f"{stack}/{logical_id}"


def test_the_registrys_description_is_what_it_was(templates: dict[str, Template]) -> None:
    """It is create-only, and a replacement would need the name: the group could not be updated."""
    group = templates["Training"]["Resources"]["RegistryGroupF9A457C4"]["Properties"]
    assert group["ModelPackageGroupDescription"] == "Scores card transactions for fraud"


def test_the_endpoint_waits_for_an_approval(
    templates: dict[str, Template], environment: str
) -> None:
    parameter = templates["Serving"]["Parameters"]["ApprovedModelPackage"]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<String>"
    assert parameter["Default"] == f"/fraudloop/{environment}/approved-model-package"


def test_the_local_environment_is_the_default() -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    assert context["environment"] == "local"


def test_an_unknown_environment_is_refused() -> None:
    known = ", ".join(ENVIRONMENTS)
    with pytest.raises(ValueError, match=f"^environment must be one of {known}, got nowhere; "):
        build_app("nowhere")


def test_the_folder_constructs_is_no_package() -> None:
    # aws-cdk issue 19301: as a package it would hide the library of the same name.
    assert not (ROOT / "constructs" / "__init__.py").exists()


def revision_in(template: Template) -> str:
    (pipeline,) = (
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SageMaker::Pipeline"
    )
    body = pipeline["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"][0]
    parameters = {each["Name"]: each for each in json.loads(body)["Parameters"]}
    return str(parameters["CodeRevision"]["DefaultValue"])


def test_the_codes_revision_is_unknown_unless_it_is_given(templates: dict[str, Template]) -> None:
    assert revision_in(templates["Training"]) == "unknown"


def test_whoever_deploys_gives_the_codes_revision(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={
            **os.environ,
            "CDK_OUTDIR": str(tmp_path),
            # This is how the CDK CLI hands its --context on.
            "CDK_CONTEXT_JSON": json.dumps({"revision": "v1-2-gabc"}),
            "CDK_VALIDATION": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    template = json.loads((tmp_path / "Training.template.json").read_text())
    assert revision_in(template) == "v1-2-gabc"
