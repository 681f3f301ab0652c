import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from lifecycle.training.config import FeatureJobConfig, JobConfig, TrainingConfig
from lifecycle.training.job import TrainingJobConfig, checkpoint_prefix, metric_definitions
from lifecycle.training.model_gate import GateConfig
from lifecycle.training.pipeline_definition import PLACEHOLDERS, training_definition
from lifecycle.training.tuning import TuningConfig
from lifecycle.training.tuning_ranges import IntegerRange
from pipeline_code.contracts.decisions import ApprovalDecision
from pipeline_code.evaluate.gate import Candidate, Limits, decide

ROOT = Path(__file__).parents[4]
CONFIG = TrainingConfig(
    train_days=13,
    test_days=3,
    approval_status="Approved",
    gate=GateConfig(
        average_precision_floor=0.25,
        champion_tolerance=0.02,
        bias_limit=0.4,
        calibration_limit=0.03,
        latency_limit_milliseconds=7.5,
        size_limit_mib=12.0,
        reviews_per_day=33,
        decline_precision=0.85,
    ),
    hyperparameters={"rounds": "12"},
    jobs=JobConfig(
        processing_instance_type="ml.c5.xlarge",
        training=TrainingJobConfig(
            instance_type="ml.c5.2xlarge",
            instance_count=3,
            spot=True,
            max_wait_minutes=41,
            retries=4,
        ),
        volume_size_gib=17,
        max_runtime_minutes=23,
        cache_days=5,
    ),
)
REVISION = "v1-2-gabc"
OPERATIONS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "RegisterModel": "CreateModelPackage",
}
JOB_NAMES = {"Processing": "ProcessingJobName", "Training": "TrainingJobName"}
JOBS = ["CheckData", "ComputeFeatures", "TrainModel", "Baseline", "EvaluateModel"]
PROCESSING = [name for name in JOBS if name != "TrainModel"]
PRINT = """
import sys
sys.path[:0] = ["constructs", "."]
from lifecycle.training.pipeline_definition import training_definition
from lifecycle.training.config import TrainingConfig
print(training_definition(TrainingConfig(), revision="abc"))
"""


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    return dict(json.loads(training_definition(CONFIG, revision=REVISION)))


@pytest.fixture(scope="module")
def steps() -> dict[str, dict[str, Any]]:
    return steps_of(CONFIG)


@pytest.fixture(scope="module")
def defaults(definition: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each.get("DefaultValue") for each in definition["Parameters"]}


def steps_of(config: TrainingConfig) -> dict[str, dict[str, Any]]:
    """Every step of a definition, those behind the gate too."""
    definition = json.loads(training_definition(config, revision=REVISION))
    gate = definition["Steps"][-1]["Arguments"]
    nested = [*gate["IfSteps"], *gate["ElseSteps"]]
    return {step["Name"]: step for step in [*definition["Steps"], *nested]}


def filled_in(value: Any) -> Any:
    """A request with a plain value for every reference and placeholder."""
    if isinstance(value, dict):
        if value.keys() & {"Get", "Std:Join", "Std:JsonGet"}:
            return "s3://some/value"
        return {key: filled_in(item) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{[^}]+\}", "arn:aws:iam::000000000000:role/some-role", value)
    return value


def inputs(step: dict[str, Any]) -> dict[str, Any]:
    return {
        each["InputName"]: each["S3Input"]["S3Uri"]
        for each in step["Arguments"]["ProcessingInputs"]
    }


def outputs(step: dict[str, Any]) -> dict[str, Any]:
    return {
        each["OutputName"]: each["S3Output"]
        for each in step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    }


def arguments(step: dict[str, Any]) -> dict[str, Any]:
    given = step["Arguments"]["AppSpecification"]["ContainerArguments"]
    return dict(zip(given[::2], given[1::2], strict=True))


def output_of(step: str, name: str) -> dict[str, str]:
    return {"Get": f"Steps.{step}.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri"}


def read(file: str, path: str) -> dict[str, Any]:
    source = {"Get": f"Steps.EvaluateModel.PropertyFiles.{file}"}
    return {"Std:JsonGet": {"PropertyFile": source, "Path": path}}


def raw(table: str) -> dict[str, Any]:
    return {"Std:Join": {"On": "/", "Values": [{"Get": "Parameters.RawDataUri"}, table, ""]}}


def of_execution(bucket: str, *parts: str) -> dict[str, Any]:
    execution = {"Get": "Execution.PipelineExecutionId"}
    values = [f"s3://${{{bucket}}}/executions", execution, *parts]
    return {"Std:Join": {"On": "/", "Values": values}}


def text_of(parameter: str) -> dict[str, Any]:
    return {"Std:Join": {"On": "", "Values": [{"Get": f"Parameters.{parameter}"}]}}


@pytest.mark.parametrize("name", [*JOBS, "RegisterModel"])
def test_every_request_is_one_that_the_service_accepts(steps: dict[str, Any], name: str) -> None:
    kind = steps[name]["Type"]
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model(OPERATIONS[kind]).input_shape
    request = filled_in(steps[name]["Arguments"])
    if kind in JOB_NAMES:
        # SageMaker Pipelines names the jobs itself.
        request[JOB_NAMES[kind]] = "named-by-the-pipeline"
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


def test_two_processes_with_other_hash_seeds_compile_the_same_bytes() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", PRINT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert printed[0]


def test_placeholders_are_those_that_are_declared() -> None:
    found = set(re.findall(r"\$\{([^}]+)\}", training_definition(CONFIG, revision=REVISION)))
    assert found - {"AWS::Region"} == set(PLACEHOLDERS)


def test_parameters_default_to_the_configuration(defaults: dict[str, Any]) -> None:
    assert defaults == {
        "DataVersion": None,
        "RawDataUri": "s3://${RawBucket}",
        "AsOf": "latest",
        "TrainDays": 13,
        "TestDays": 3,
        "AveragePrecisionFloor": 0.25,
        "ApprovalStatus": "Approved",
        "TriggerReason": "manual",
        "TriggerEvidence": "none",
        "CodeRevision": REVISION,
        "ProcessingInstanceType": "ml.c5.xlarge",
        "TrainingInstanceType": "ml.c5.2xlarge",
    }


def test_steps_come_in_the_order_of_the_lifecycle(definition: dict[str, Any]) -> None:
    assert [step["Name"] for step in definition["Steps"]] == [*JOBS, "Gate"]


def test_features_wait_for_the_check(steps: dict[str, Any]) -> None:
    assert steps["ComputeFeatures"]["DependsOn"] == ["CheckData"]


def test_the_check_reads_all_raw_data(steps: dict[str, Any]) -> None:
    assert inputs(steps["CheckData"]) == {
        name: raw(name) for name in ("transactions", "fraud_reports")
    }


def test_features_read_events_and_leave_train_test_and_summary(steps: dict[str, Any]) -> None:
    features = steps["ComputeFeatures"]
    assert inputs(features) == {name: raw(name) for name in ("transactions", "fraud_reports")}
    assert {name: each["S3Uri"] for name, each in outputs(features).items()} == {
        name: of_execution("FeaturesBucket", "features", name)
        for name in ("train", "test", "summary")
    }
    assert arguments(features) == {
        "--engine": "single",
        "--train-days": text_of("TrainDays"),
        "--delay-days": "7",
        "--test-days": text_of("TestDays"),
        "--as-of": {"Get": "Parameters.AsOf"},
        "--data-version": {"Get": "Parameters.DataVersion"},
        "--raw-uri": {"Get": "Parameters.RawDataUri"},
    }


def test_features_run_on_the_instance_of_the_other_jobs(steps: dict[str, Any]) -> None:
    request = steps["ComputeFeatures"]["Arguments"]
    cluster = request["ProcessingResources"]["ClusterConfig"]
    assert cluster["InstanceCount"] == 1
    assert cluster["InstanceType"] == {"Get": "Parameters.ProcessingInstanceType"}


def test_features_run_on_spark_if_they_are_to() -> None:
    features = FeatureJobConfig(engine="spark", instance_count=3, instance_type="ml.r5.2xlarge")
    config = TrainingConfig(jobs=JobConfig(features=features))
    by_name = {
        step["Name"]: step
        for step in json.loads(training_definition(config, revision=REVISION))["Steps"]
    }
    assert arguments(by_name["ComputeFeatures"])["--engine"] == "spark"
    clusters = {
        name: by_name[name]["Arguments"]["ProcessingResources"]["ClusterConfig"]
        for name in PROCESSING
    }
    assert clusters["ComputeFeatures"]["InstanceCount"] == 3
    assert clusters["ComputeFeatures"]["InstanceType"] == "ml.r5.2xlarge"
    assert {
        clusters[name]["InstanceCount"] for name in PROCESSING if name != "ComputeFeatures"
    } == {1}
    # The hosts talk to each other about transactions.
    network = by_name["ComputeFeatures"]["Arguments"]["NetworkConfig"]
    assert network["EnableInterContainerTrafficEncryption"] is True
    # Every host reads all of the lake.
    for each in by_name["ComputeFeatures"]["Arguments"]["ProcessingInputs"]:
        assert each["S3Input"]["S3DataDistributionType"] == "FullyReplicated"


def test_features_are_put_into_both_groups(steps: dict[str, Any]) -> None:
    environment = steps["ComputeFeatures"]["Arguments"]["Environment"]
    assert environment["CUSTOMER_FEATURE_GROUP"] == "${CustomerFeatureGroup}"
    assert environment["TERMINAL_FEATURE_GROUP"] == "${TerminalFeatureGroup}"


def test_training_sees_the_training_rows_and_nothing_else(steps: dict[str, Any]) -> None:
    (channel,) = steps["TrainModel"]["Arguments"]["InputDataConfig"]
    assert channel["ChannelName"] == "train"
    source = channel["DataSource"]["S3DataSource"]
    assert source["S3Uri"] == output_of("ComputeFeatures", "train")


def test_training_gets_the_configured_hyperparameters(steps: dict[str, Any]) -> None:
    assert steps["TrainModel"]["Arguments"]["HyperParameters"] == {"rounds": "12"}


def test_training_without_hyperparameters_leaves_them_to_the_script() -> None:
    training = json.loads(training_definition(TrainingConfig(), revision=REVISION))["Steps"][2]
    assert "HyperParameters" not in training["Arguments"]


def test_training_runs_without_the_profiler(steps: dict[str, Any]) -> None:
    assert steps["TrainModel"]["Arguments"]["ProfilerConfig"] == {"DisableProfiler": True}


def test_evaluation_scores_the_model_on_rows_it_was_not_trained_on(steps: dict[str, Any]) -> None:
    assert inputs(steps["EvaluateModel"]) == {
        "model": {"Get": "Steps.TrainModel.ModelArtifacts.S3ModelArtifacts"},
        "test": output_of("ComputeFeatures", "test"),
        "train-summary": output_of("ComputeFeatures", "summary"),
        "fraud_reports": raw("fraud_reports"),
    }
    assert arguments(steps["EvaluateModel"]) == {
        "--average-precision-floor": text_of("AveragePrecisionFloor"),
        "--champion-tolerance": "0.02",
        "--bias-limit": "0.4",
        "--calibration-limit": "0.03",
        "--latency-limit-milliseconds": "7.5",
        "--size-limit-mib": "12.0",
        "--reviews-per-day": "33",
        "--decline-precision": "0.85",
    }


def test_the_baseline_is_that_of_the_training_rows(steps: dict[str, Any]) -> None:
    assert inputs(steps["Baseline"]) == {"train": output_of("ComputeFeatures", "train")}
    assert steps["Baseline"]["Arguments"]["AppSpecification"]["ContainerArguments"] == [
        "--baseline"
    ]


def test_what_a_model_package_refers_to_lies_in_the_artifacts_bucket(steps: dict[str, Any]) -> None:
    assert outputs(steps["EvaluateModel"])["evaluation"]["S3Uri"] == of_execution(
        "ArtifactsBucket", "evaluation"
    )
    assert outputs(steps["Baseline"])["baseline"]["S3Uri"] == of_execution(
        "ArtifactsBucket", "baseline"
    )


def test_each_execution_leaves_its_models_below_a_prefix_of_its_own(
    steps: dict[str, Any], tuned: dict[str, Any]
) -> None:
    jobs = (
        steps["TrainModel"]["Arguments"],
        tuned["TuneModel"]["Arguments"]["TrainingJobDefinition"],
    )
    for job in jobs:
        place = job["OutputDataConfig"]["S3OutputPath"]["Std:Join"]
        assert place == {
            "On": "/",
            "Values": ["s3://${ArtifactsBucket}/models", {"Get": "Execution.PipelineExecutionId"}],
        }


@pytest.mark.parametrize("name", ["CheckData", "ComputeFeatures", "TrainModel", "Baseline"])
def test_steps_that_depend_on_their_arguments_alone_are_cached(
    steps: dict[str, Any], name: str
) -> None:
    assert steps[name]["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P5D"}


@pytest.mark.parametrize("name", ["EvaluateModel", "RegisterModel"])
def test_steps_that_depend_on_the_registry_are_not_cached(steps: dict[str, Any], name: str) -> None:
    assert "CacheConfig" not in steps[name]


@pytest.mark.parametrize("name", ["CheckData", "ComputeFeatures"])
def test_steps_that_read_raw_data_have_its_version_among_their_arguments(
    steps: dict[str, Any], name: str
) -> None:
    # Caching compares these two; outputs and instances are no part of its key.
    job = steps[name]["Arguments"]
    keyed = json.dumps([job["AppSpecification"], job.get("Environment")])
    assert '{"Get": "Parameters.DataVersion"}' in keyed


@pytest.mark.parametrize("name", PROCESSING)
def test_processing_encrypts_its_volume_and_its_outputs(steps: dict[str, Any], name: str) -> None:
    job = steps[name]["Arguments"]
    cluster = job["ProcessingResources"]["ClusterConfig"]
    assert cluster["VolumeKmsKeyId"] == "${KeyArn}"
    assert job["ProcessingOutputConfig"]["KmsKeyId"] == "${KeyArn}"
    assert job["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True


def test_training_encrypts_its_volume_its_model_and_its_traffic(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == "${KeyArn}"
    assert job["OutputDataConfig"]["KmsKeyId"] == "${KeyArn}"
    assert job["EnableInterContainerTrafficEncryption"] is True


@pytest.mark.parametrize(
    ("name", "isolated"),
    [("CheckData", True), ("Baseline", True), ("ComputeFeatures", False), ("EvaluateModel", False)],
)
def test_only_jobs_that_call_aws_have_a_network(
    steps: dict[str, Any], name: str, isolated: bool
) -> None:
    job = steps[name]["Arguments"]
    assert job["NetworkConfig"]["EnableNetworkIsolation"] is isolated
    assert ("AWS_DEFAULT_REGION" in job.get("Environment", {})) is not isolated


def test_training_is_isolated(steps: dict[str, Any]) -> None:
    assert steps["TrainModel"]["Arguments"]["EnableNetworkIsolation"] is True


@pytest.mark.parametrize("name", PROCESSING)
def test_processing_runs_on_the_configured_compute(steps: dict[str, Any], name: str) -> None:
    job = steps[name]["Arguments"]
    cluster = job["ProcessingResources"]["ClusterConfig"]
    assert cluster["InstanceType"] == {"Get": "Parameters.ProcessingInstanceType"}
    assert cluster["VolumeSizeInGB"] == 17
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 23 * 60}


def test_training_runs_on_the_configured_compute(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    assert job["ResourceConfig"]["InstanceType"] == {"Get": "Parameters.TrainingInstanceType"}
    assert job["ResourceConfig"]["VolumeSizeInGB"] == 17
    assert job["ResourceConfig"]["InstanceCount"] == 3
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 23 * 60


@pytest.mark.parametrize(
    ("name", "entry", "role"),
    [
        ("CheckData", "check", "CheckRoleArn"),
        ("ComputeFeatures", "features", "FeaturesRoleArn"),
        ("Baseline", "monitor", "BaselineRoleArn"),
        ("EvaluateModel", "evaluate", "EvaluationRoleArn"),
    ],
)
def test_each_processing_job_has_its_entry_point_and_its_role(
    steps: dict[str, Any], name: str, entry: str, role: str
) -> None:
    job = steps[name]["Arguments"]
    command = ["python", "-m", "pipeline_code", entry]
    assert job["AppSpecification"]["ContainerEntrypoint"] == command
    image = "${FeatureJobImageUri}" if name == "ComputeFeatures" else "${ImageUri}"
    assert job["AppSpecification"]["ImageUri"] == image
    assert job["RoleArn"] == f"${{{role}}}"


def test_the_training_job_has_its_entry_point_and_its_role(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    command = ["python", "-m", "pipeline_code", "train"]
    assert job["AlgorithmSpecification"]["ContainerEntrypoint"] == command
    assert job["AlgorithmSpecification"]["TrainingImage"] == "${TrainingImageUri}"
    assert job["RoleArn"] == "${TrainingRoleArn}"


def test_the_gate_has_a_condition_for_every_check(steps: dict[str, Any]) -> None:
    limits = {
        "floor": ("GreaterThanOrEqualTo", {"Get": "Parameters.AveragePrecisionFloor"}),
        "champion": ("GreaterThanOrEqualTo", -0.02),
        "bias": ("LessThanOrEqualTo", 0.4),
        "calibration": ("LessThanOrEqualTo", 0.03),
        "latency": ("LessThanOrEqualTo", 7.5),
        "size": ("LessThanOrEqualTo", 12.0),
    }
    assert steps["Gate"]["Arguments"]["Conditions"] == [
        {
            "Type": kind,
            "LeftValue": read("EvaluationReport", f"gate.checks.{name}.value"),
            "RightValue": limit,
        }
        for name, (kind, limit) in limits.items()
    ]


def test_the_gate_has_the_checks_of_the_evaluation(steps: dict[str, Any]) -> None:
    candidate = Candidate(average_precision=0.5, bias=0, calibration=0, latency=1, size=1)
    decided = decide(candidate, None, Limits())["checks"]
    paths = [
        condition["LeftValue"]["Std:JsonGet"]["Path"]
        for condition in steps["Gate"]["Arguments"]["Conditions"]
    ]
    assert paths == [f"gate.checks.{name}.value" for name in decided]


def test_the_gate_reads_the_evaluations_own_files(steps: dict[str, Any]) -> None:
    assert steps["EvaluateModel"]["PropertyFiles"] == [
        {"PropertyFileName": name, "OutputName": "evaluation", "FilePath": path}
        for name, path in (
            ("EvaluationReport", "evaluation.json"),
            ("ModelCard", "model_card.json"),
        )
    ]


def test_a_refused_model_fails_the_execution_with_the_gates_reason(
    definition: dict[str, Any], steps: dict[str, Any]
) -> None:
    (refused,) = definition["Steps"][-1]["Arguments"]["ElseSteps"]
    assert refused["Type"] == "Fail"
    assert refused["Arguments"]["ErrorMessage"]["Std:JsonGet"]["Path"] == "gate.reason"


def test_a_model_package_carries_metrics_baselines_and_where_it_came_from(
    steps: dict[str, Any],
) -> None:
    package = steps["RegisterModel"]["Arguments"]
    quality = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    assert quality["Std:Join"]["Values"] == [
        output_of("EvaluateModel", "evaluation"),
        "evaluation.json",
    ]
    baselines = package["DriftCheckBaselines"]
    expected = {
        ("ModelDataQuality", "Statistics"): [output_of("Baseline", "baseline"), "statistics.json"],
        ("ModelDataQuality", "Constraints"): [
            output_of("Baseline", "baseline"),
            "constraints.json",
        ],
        ("ModelQuality", "Statistics"): of_evaluation("model-quality", "statistics.json"),
        ("ModelQuality", "Constraints"): of_evaluation("model-quality", "constraints.json"),
        ("Bias", "PostTrainingConstraints"): of_evaluation("bias", "constraints.json"),
        ("Explainability", "Constraints"): of_evaluation("attribution", "constraints.json"),
    }
    assert {
        (member, name): file["S3Uri"]["Std:Join"]["Values"]
        for member, files in baselines.items()
        for name, file in files.items()
    } == expected
    metrics = package["ModelMetrics"]
    assert metrics["ModelDataQuality"] == baselines["ModelDataQuality"]
    assert metrics["ModelQuality"]["Constraints"] == baselines["ModelQuality"]["Constraints"]
    for member, kind in {"Bias": "bias", "Explainability": "attribution"}.items():
        report = metrics[member]["Report"]["S3Uri"]["Std:Join"]["Values"]
        assert report == of_evaluation(kind, "statistics.json")


def of_evaluation(*path: str) -> list[Any]:
    return [output_of("EvaluateModel", "evaluation"), *path]


PACKAGE = (
    "train_first_event",
    "train_last_event",
    "train_rows",
    "train_frauds",
    "test_start",
    "test_end",
    "test_rows",
    "test_frauds",
    "average_precision",
    "auc_roc",
    "card_precision_at_100",
    "review_threshold",
    "decline_threshold",
    "feature_schema_version",
    "capture_contract",
    "model_digest",
    "model_sha256",
    "gate_reason",
    "trigger_reason",
    "trigger_evidence",
)


def test_a_model_package_says_what_the_evaluation_found(steps: dict[str, Any]) -> None:
    properties = dict(steps["RegisterModel"]["Arguments"]["CustomerMetadataProperties"])
    for name in PACKAGE:
        assert properties.pop(name) == read("EvaluationReport", f"package.{name}")
    assert properties.pop("evaluation_report")["Std:Join"]["Values"] == [
        output_of("EvaluateModel", "evaluation"),
        "report.html",
    ]
    assert properties.pop("decision_000") is not None
    assert properties == {"data_version": {"Get": "Parameters.DataVersion"}}
    # What was typed goes by the evaluation: the registry would refuse some of it, hours later.
    told = steps["EvaluateModel"]["Arguments"]["Environment"]
    assert told["TRIGGER_REASON"] == {"Get": "Parameters.TriggerReason"}
    assert told["TRIGGER_EVIDENCE"] == {"Get": "Parameters.TriggerEvidence"}


def test_a_model_package_has_room_for_what_people_decide(steps: dict[str, Any]) -> None:
    # SageMaker keeps 50 properties.
    assert len(steps["RegisterModel"]["Arguments"]["CustomerMetadataProperties"]) <= 25


def test_a_model_package_names_the_code_and_the_execution_that_made_it(
    steps: dict[str, Any],
) -> None:
    assert steps["RegisterModel"]["Arguments"]["MetadataProperties"] == {
        "CommitId": {"Get": "Parameters.CodeRevision"},
        "GeneratedBy": {"Get": "Execution.PipelineExecutionArn"},
    }


def test_a_model_package_records_that_no_person_gave_its_first_status(
    steps: dict[str, Any],
) -> None:
    package = steps["RegisterModel"]["Arguments"]
    text = package["CustomerMetadataProperties"]["decision_000"]["Std:Join"]
    known = {
        "Execution.StartDateTime": "2026-11-24T11:26:36.000+00:00",
        "Parameters.ApprovalStatus": "Approved",
        "Execution.PipelineExecutionArn": "arn:aws:sagemaker:eu-west-1:000000000000:pipeline/p/e",
    }
    filled = text["On"].join(
        part if isinstance(part, str) else known[part["Get"]] for part in text["Values"]
    )
    decision = ApprovalDecision.parse(filled)
    assert decision is not None
    assert (decision.status, decision.reason) == ("Approved", "passed the gate")
    assert decision.by == known["Execution.PipelineExecutionArn"]
    assert decision.text() == filled


def test_a_model_card_waits_for_a_reader(steps: dict[str, Any]) -> None:
    assert steps["RegisterModel"]["Arguments"]["ModelCard"] == {
        "ModelCardContent": read("ModelCard", "content"),
        "ModelCardStatus": "PendingReview",
    }


def test_a_model_package_waits_for_approval_as_configured(steps: dict[str, Any]) -> None:
    package = steps["RegisterModel"]["Arguments"]
    assert package["ModelApprovalStatus"] == {"Get": "Parameters.ApprovalStatus"}
    assert package["ModelPackageGroupName"] == "${ModelPackageGroup}"


def test_a_model_package_serves_the_files_that_were_judged_by_its_thresholds(
    steps: dict[str, Any],
) -> None:
    serving = steps["RegisterModel"]["Arguments"]["InferenceSpecification"]
    types = ["application/json", "application/jsonlines", "text/csv", "application/x-parquet"]
    assert serving["SupportedContentTypes"] == serving["SupportedResponseMIMETypes"] == types
    # None is listed, so that whatever the environment is configured with is supported.
    assert not [name for name in serving if name.endswith("InstanceTypes")]
    assert serving["Containers"] == [
        {
            "Image": "${ImageUri}",
            "ModelDataUrl": {"Get": "Steps.TrainModel.ModelArtifacts.S3ModelArtifacts"},
            "Environment": {
                "REVIEW_THRESHOLD": read("EvaluationReport", "package.review_threshold"),
                "DECLINE_THRESHOLD": read("EvaluationReport", "package.decline_threshold"),
                "MODEL_DIGEST": read("EvaluationReport", "package.model_digest"),
            },
        }
    ]


def test_the_definition_fits_inline(definition: dict[str, Any]) -> None:
    # Beyond 100 KB it would have to lie in S3, where CloudFormation cannot see it change.
    assert len(json.dumps(definition)) < 100_000


def test_training_outlives_interruptions_as_configured(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    assert job["EnableManagedSpotTraining"] is True
    assert job["StoppingCondition"]["MaxWaitTimeInSeconds"] == 41 * 60
    assert job["RetryStrategy"] == {"MaximumRetryAttempts": 4}


def test_equal_rows_settings_and_code_share_checkpoints_in_every_execution(
    steps: dict[str, Any],
) -> None:
    place = steps["TrainModel"]["Arguments"]["CheckpointConfig"]["S3Uri"]["Std:Join"]
    settings, rows = place["Values"]
    assert place["On"] == "/"
    assert settings == (
        f"s3://${{ArtifactsBucket}}/{checkpoint_prefix({'rounds': '12'}, 3)}/${{ImageTag}}"
    )
    assert rows == {"Get": "Steps.ComputeFeatures.ProcessingJobName"}


def test_nothing_that_caching_compares_changes_with_the_execution(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    compared = ("AlgorithmSpecification", "CheckpointConfig", "HyperParameters", "InputDataConfig")
    assert "Execution." not in json.dumps([job[name] for name in compared])


def test_training_tells_sagemaker_its_metrics(steps: dict[str, Any]) -> None:
    algorithm = steps["TrainModel"]["Arguments"]["AlgorithmSpecification"]
    assert algorithm["MetricDefinitions"] == metric_definitions()


def test_training_on_gpus_runs_the_image_for_them_and_is_told_so() -> None:
    training = TrainingJobConfig(device="cuda", instance_type="ml.g5.xlarge")
    config = TrainingConfig(jobs=JobConfig(training=training))
    document = json.loads(training_definition(config, revision=REVISION))
    by_name = {step["Name"]: step for step in document["Steps"]}
    job = by_name["TrainModel"]["Arguments"]
    assert job["HyperParameters"] == {"device": "cuda"}
    # AWS refuses a key for the disk that such an instance brings along.
    assert set(job["ResourceConfig"]) == {"InstanceCount", "InstanceType"}
    assert job["AlgorithmSpecification"]["TrainingImage"] == "${TrainingImageUri}"
    # The evaluation scores on a processor.
    evaluation = by_name["EvaluateModel"]["Arguments"]["AppSpecification"]
    assert evaluation["ImageUri"] == "${ImageUri}"


TUNED = TrainingConfig(
    hyperparameters={"validation_days": "2"},
    tuning=TuningConfig(ranges=[IntegerRange(name="max_depth", low=4, high=8)], max_jobs=3),
)


@pytest.fixture(scope="module")
def tuned() -> dict[str, dict[str, Any]]:
    return steps_of(TUNED)


def test_tuning_takes_the_place_of_training(tuned: dict[str, Any]) -> None:
    assert list(tuned) == [
        "CheckData",
        "ComputeFeatures",
        "TuneModel",
        "Baseline",
        "EvaluateModel",
        "Gate",
        "RegisterModel",
        "RefuseModel",
    ]
    assert tuned["TuneModel"]["Type"] == "Tuning"
    assert tuned["TuneModel"]["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P30D"}


def test_the_tuning_request_is_one_that_the_service_accepts(tuned: dict[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateHyperParameterTuningJob").input_shape
    request = filled_in(tuned["TuneModel"]["Arguments"])
    request["HyperParameterTuningJobName"] = "named-by-the-pipeline"
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    definition = tuned["TuneModel"]["Arguments"]["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"validation_days": "2"}


def test_the_best_tuned_model_is_evaluated_and_registered(tuned: dict[str, Any]) -> None:
    # As the job says it: that of a cached step is in the folder of an earlier execution.
    folder = {"Get": "Steps.TuneModel.TrainingJobDefinition.OutputDataConfig.S3OutputPath"}
    best = {"Get": "Steps.TuneModel.BestTrainingJob.TrainingJobName"}
    archive = {"Std:Join": {"On": "/", "Values": [folder, best, "output/model.tar.gz"]}}
    (container,) = tuned["RegisterModel"]["Arguments"]["InferenceSpecification"]["Containers"]
    assert inputs(tuned["EvaluateModel"])["model"] == archive
    assert container["ModelDataUrl"] == archive
