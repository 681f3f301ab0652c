from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.training.roles import TrainingRoles
from pipeline_code.features.definitions import SCHEMA_VERSION

JOBS = ("check", "features", "training", "evaluation", "baseline")
HANDED_OUT = "kms:GrantIsForAWSResource"


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    return new_surroundings()


@pytest.fixture(scope="module")
def roles(around: Any) -> TrainingRoles:
    return define(around)


def define(around: Any, *, checkpoints: bool = True, tuning: bool = False) -> TrainingRoles:
    return TrainingRoles(
        around.stack,
        "Roles",
        image=around.image,
        raw_bucket=around.raw,
        features_bucket=around.features,
        artifacts_bucket=around.artifacts,
        feature_store=around.feature_store,
        registry=around.registry,
        encryption_key=around.key,
        checkpoints=checkpoints,
        tuning=tuning,
        approval_status="PendingManualApproval",
    )


def arn(around: Any, resource: str, name: str) -> Any:
    return around.stack.resolve(
        around.stack.format_arn(service="sagemaker", resource=resource, resource_name=name)
    )


def readable(around: Any, roles: TrainingRoles) -> dict[str, list[Any]]:
    return {
        "check": around.objects(around.raw, "transactions/", "fraud_reports/"),
        "features": around.objects(around.raw, "transactions/", "fraud_reports/"),
        "training": [
            *around.objects(around.features, "executions/"),
            *around.objects(around.artifacts, "checkpoints/"),
        ],
        "evaluation": [
            *around.objects(around.raw, "fraud_reports/"),
            *around.objects(around.features, "executions/"),
            *around.objects(around.artifacts, "models/"),
        ],
        "baseline": around.objects(around.features, "executions/"),
        "pipeline": around.objects(around.artifacts, "executions/", "models/"),
    }


def writable(around: Any, roles: TrainingRoles) -> dict[str, list[Any]]:
    return {
        "check": around.objects(around.features, "executions/"),
        "features": around.objects(around.features, "executions/"),
        "training": around.objects(around.artifacts, "models/", "checkpoints/"),
        "evaluation": around.objects(around.artifacts, "executions/"),
        "baseline": around.objects(around.artifacts, "executions/"),
        "pipeline": [],
    }


def actions(statement: dict[str, Any]) -> list[str]:
    named = statement["Action"]
    return named if isinstance(named, list) else [named]


def as_set(resources: list[Any]) -> set[str]:
    return {str(resource) for resource in resources}


@pytest.mark.parametrize("name", [*JOBS, "pipeline"])
def test_a_role_reads_its_inputs_and_nothing_else(
    around: Any, roles: TrainingRoles, name: str
) -> None:
    allowed = around.allowed(getattr(roles, name), "s3:GetObject")
    assert as_set(allowed) == as_set(readable(around, roles)[name])


@pytest.mark.parametrize("name", [*JOBS, "pipeline"])
def test_a_role_writes_its_outputs_and_nothing_else(
    around: Any, roles: TrainingRoles, name: str
) -> None:
    allowed = around.allowed(getattr(roles, name), "s3:PutObject")
    assert as_set(allowed) == as_set(writable(around, roles)[name])


def test_without_checkpoints_training_reads_no_artifact_and_writes_models_only(
    new_surroundings: Callable[[], Any],
) -> None:
    around = new_surroundings()
    training = define(around, checkpoints=False).training
    assert as_set(around.allowed(training, "s3:GetObject")) == as_set(
        around.objects(around.features, "executions/")
    )
    assert as_set(around.allowed(training, "s3:PutObject")) == as_set(
        around.objects(around.artifacts, "models/")
    )


@pytest.mark.parametrize("name", JOBS)
def test_listing_is_limited_to_what_may_be_read(
    around: Any, roles: TrainingRoles, name: str
) -> None:
    listing = [
        statement
        for statement in around.statements(getattr(roles, name))
        if "s3:ListBucket" in actions(statement)
    ]
    assert listing
    assert all("s3:prefix" in each["Condition"]["StringLike"] for each in listing)


@pytest.mark.parametrize("name", [*JOBS, "pipeline"])
def test_only_features_see_the_versions_of_what_they_read(
    around: Any, roles: TrainingRoles, name: str
) -> None:
    seen = [
        (statement["Resource"], statement["Condition"])
        for statement in around.statements(getattr(roles, name))
        if "s3:ListBucketVersions" in actions(statement)
    ]
    below = {"StringLike": {"s3:prefix": ["transactions/*", "fraud_reports/*"]}}
    resource = around.stack.resolve(around.raw.bucket_arn)
    assert seen == ([(resource, below)] if name == "features" else [])


@pytest.mark.parametrize("name", [*JOBS, "pipeline"])
def test_no_role_deletes(around: Any, roles: TrainingRoles, name: str) -> None:
    assert around.allowed(getattr(roles, name), "s3:DeleteObject") == []


@pytest.mark.parametrize("name", [*JOBS, "pipeline"])
def test_roles_name_every_action_in_full(around: Any, roles: TrainingRoles, name: str) -> None:
    named = [
        action
        for statement in around.statements(getattr(roles, name))
        for action in actions(statement)
    ]
    assert named
    assert not [action for action in named if "*" in action]


@pytest.mark.parametrize("name", JOBS)
def test_grants_of_the_key_go_to_aws_services_only(
    around: Any, roles: TrainingRoles, name: str
) -> None:
    (grant,) = (
        statement
        for statement in around.statements(getattr(roles, name))
        if statement["Action"] == "kms:CreateGrant"
    )
    assert grant["Condition"] == {"Bool": {HANDED_OUT: "true"}}
    assert grant["Resource"] == around.key_arn


@pytest.mark.parametrize(
    ("name", "place"),
    [(name, "TrainingJobs" if name == "training" else "ProcessingJobs") for name in JOBS],
)
def test_metrics_of_a_job_go_to_its_kinds_namespace(
    around: Any, roles: TrainingRoles, name: str, place: str
) -> None:
    (metrics,) = (
        statement
        for statement in around.statements(getattr(roles, name))
        if statement["Action"] == "cloudwatch:PutMetricData"
    )
    assert metrics["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": f"/aws/sagemaker/{place}"}
    }


@pytest.mark.parametrize("name", JOBS)
def test_jobs_log_to_their_kinds_group(around: Any, roles: TrainingRoles, name: str) -> None:
    place = "TrainingJobs" if name == "training" else "ProcessingJobs"
    (streams,) = around.allowed(getattr(roles, name), "logs:PutLogEvents")
    assert f":log-group:/aws/sagemaker/{place}:*'" in str(streams)


@pytest.mark.parametrize("name", [*JOBS, "pipeline"])
def test_sagemaker_assumes_a_role_for_this_account_only(
    around: Any, roles: TrainingRoles, name: str
) -> None:
    role_id = around.stack.resolve(getattr(roles, name).role_name)["Ref"]
    role = around.template().find_resources("AWS::IAM::Role")[role_id]["Properties"]
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
        }
    ]


def test_only_features_put_records_and_only_into_the_groups(
    around: Any, roles: TrainingRoles
) -> None:
    action = "sagemaker:BatchWriteRecord"
    allowed = {name: around.allowed(getattr(roles, name), action) for name in JOBS}
    groups = [
        arn(around, "feature-group", f"test-{entity}-{SCHEMA_VERSION}")
        for entity in ("customer", "terminal")
    ]
    assert allowed == {name: groups if name == "features" else [] for name in JOBS}


def test_evaluation_reads_the_registry(around: Any, roles: TrainingRoles) -> None:
    versions = arn(around, "model-package", "test-fraud/*")
    assert around.allowed(roles.evaluation, "sagemaker:DescribeModelPackage") == [versions]
    assert around.allowed(roles.evaluation, "sagemaker:ListModelPackages") == [
        arn(around, "model-package-group", "test-fraud"),
        versions,
    ]


def test_only_the_pipeline_registers(around: Any, roles: TrainingRoles) -> None:
    for name in JOBS:
        assert around.allowed(getattr(roles, name), "sagemaker:CreateModelPackage") == []
    versions = arn(around, "model-package", "test-fraud/*")
    assert around.allowed(roles.pipeline, "sagemaker:CreateModelPackage") == [versions]


def test_the_pipeline_registers_with_the_status_that_is_configured(
    around: Any, roles: TrainingRoles
) -> None:
    (registering,) = (
        statement
        for statement in around.statements(roles.pipeline)
        if statement["Action"] == "sagemaker:CreateModelPackage"
    )
    assert registering["Condition"] == {
        "StringEquals": {"sagemaker:ModelApprovalStatus": "PendingManualApproval"}
    }


def test_nobody_approves(around: Any, roles: TrainingRoles) -> None:
    for name in (*JOBS, "pipeline"):
        assert around.allowed(getattr(roles, name), "sagemaker:UpdateModelPackage") == []


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("sagemaker:CreateProcessingJob", "processing-job"),
        ("sagemaker:StopProcessingJob", "processing-job"),
        ("sagemaker:CreateTrainingJob", "training-job"),
        ("sagemaker:StopTrainingJob", "training-job"),
    ],
)
def test_the_pipeline_runs_its_own_jobs_only(
    around: Any, roles: TrainingRoles, action: str, kind: str
) -> None:
    assert around.allowed(roles.pipeline, action) == [arn(around, kind, "pipelines-*")]


TUNING = (
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:DescribeHyperParameterTuningJob",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
    "sagemaker:StopHyperParameterTuningJob",
)


@pytest.mark.parametrize("action", TUNING)
def test_the_pipeline_tunes_only_if_it_is_to(
    around: Any, roles: TrainingRoles, action: str
) -> None:
    assert around.allowed(roles.pipeline, action) == []


def test_a_pipeline_that_tunes_starts_no_training_job_itself(
    new_surroundings: Callable[[], Any],
) -> None:
    around = new_surroundings()
    role = define(around, checkpoints=False, tuning=True).pipeline
    jobs = arn(around, "hyper-parameter-tuning-job", "*")
    assert {action: around.allowed(role, action) for action in TUNING} == {
        action: [jobs] for action in TUNING
    }
    assert around.allowed(role, "sagemaker:CreateTrainingJob") == []
    assert around.allowed(role, "sagemaker:CreateProcessingJob") == [
        arn(around, "processing-job", "pipelines-*")
    ]


def test_the_pipeline_passes_the_jobs_roles_to_sagemaker_only(
    around: Any, roles: TrainingRoles
) -> None:
    (passing,) = (
        statement
        for statement in around.statements(roles.pipeline)
        if statement["Action"] == "iam:PassRole"
    )
    assert as_set(passing["Resource"]) == as_set(
        [around.stack.resolve(getattr(roles, name).role_arn) for name in JOBS]
    )
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }
