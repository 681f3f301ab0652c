"""The gate, and the model package that passes it."""

from typing import Any

from pipeline_code.contracts.decisions import ApprovalDecision
from pipeline_code.evaluate.gate import Candidate, Limits, decide

from .conftest import of_execution, output_of, outputs


def read(file: str, path: str) -> dict[str, Any]:
    source = {"Get": f"Steps.EvaluateModel.PropertyFiles.{file}"}
    return {"Std:JsonGet": {"PropertyFile": source, "Path": path}}


def test_what_a_model_package_refers_to_lies_in_the_artifacts_bucket(steps: dict[str, Any]) -> None:
    assert outputs(steps["EvaluateModel"])["evaluation"]["S3Uri"] == of_execution(
        "ArtifactsBucket", "evaluation"
    )
    assert outputs(steps["Baseline"])["baseline"]["S3Uri"] == of_execution(
        "ArtifactsBucket", "baseline"
    )


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
