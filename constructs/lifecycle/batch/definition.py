"""The batch-scoring pipeline's definition document."""

from __future__ import annotations

from typing import Any, Final

from lifecycle.batch.config import BatchScoringConfig
from lifecycle.jobs.job_requests import KEY_ARN, processing_request, s3_input
from lifecycle.jobs.pipeline_parts import (
    EXECUTION_ARN,
    EXECUTION_ID,
    START_TIME,
    Parameter,
    RequestStep,
    definition_text,
    join,
)
from lifecycle.monitoring.analyzer import ANALYSIS_PATH, analyzer_settings
from pipeline_code.contracts.pipelines import FeatureSource, PipelineParameter
from pipeline_code.contracts.schema import SCHEMA_VERSION_VARIABLE
from pipeline_code.contracts.serving import PARQUET

__all__ = ["PLACEHOLDERS", "batch_definition"]

PLACEHOLDERS: Final = (
    "BaselineUri",
    "CustomerFeatureGroup",
    "FeaturesRoleArn",
    "ImageUri",
    "KeyArn",
    "MetricNamespace",
    "MonitorRoleArn",
    "PipelineName",
    "RawBucket",
    "ResultsRoleArn",
    "SchemaVersion",
    "TerminalFeatureGroup",
    "WorkUri",
)
BASELINE_PATH: Final = "/opt/ml/processing/baseline"
DATASET_PATH: Final = "/opt/ml/processing/input/dataset"


def batch_definition(config: BatchScoringConfig) -> str:
    """Features, Score, then Results and Monitor; `${...}` for `PLACEHOLDERS`.

    Nothing is cached: the same prefix may hold other rows tomorrow, and the history has gone on.
    """
    model = Parameter(PipelineParameter.MODEL)
    source = Parameter(PipelineParameter.INPUT)
    target = Parameter(PipelineParameter.OUTPUT)
    feature_source = Parameter(
        PipelineParameter.FEATURE_SOURCE, default_value=FeatureSource.AUTO.value
    )
    features = _features_step(config, source, target, feature_source)
    score = _score_step(config, model, features)
    results = _results_step(config, target, features, score)
    monitor = _monitor_step(config, target, features, score)
    return definition_text(
        [model, source, target, feature_source], [features, score, results, monitor]
    )


def _work_uri(name: str) -> Any:
    """Where an execution keeps what lies between its steps."""
    return join("/", "${WorkUri}", EXECUTION_ID, name)


def _features_step(
    config: BatchScoringConfig, source: Any, target: Any, feature_source: Any
) -> RequestStep:
    """What the model is asked; it reads of history and states what it needs, itself.

    An input would be copied whole, and the lake's and the offline store's histories are long.
    """
    request = processing_request(
        "batch",
        role="${FeaturesRoleArn}",
        compute=config.compute,
        inputs=[s3_input("batch", source, "/opt/ml/processing/input/batch")],
        outputs={name: _work_uri(name) for name in ("features", "rows", "facts")},
        arguments=[
            "features",
            "--source",
            feature_source,
            "--payload-mib",
            str(config.payload_mib),
            "--tolerated-share",
            str(config.tolerated_refused_share),
        ],
        environment={
            "AS_OF": START_TIME,
            "CUSTOMER_FEATURE_GROUP": "${CustomerFeatureGroup}",
            "OUTPUT_URI": target,
            "RAW_BUCKET": "${RawBucket}",
            "TERMINAL_FEATURE_GROUP": "${TerminalFeatureGroup}",
            SCHEMA_VERSION_VARIABLE: "${SchemaVersion}",
        },
        calls_aws=True,
    )
    return RequestStep("Features", "Processing", request)


def _score_step(config: BatchScoringConfig, model: Any, features: RequestStep) -> RequestStep:
    """A request a file: the files are cut to fit, and a failed one is retried alone."""
    uri = features.output_uri("features")
    request = {
        "ModelName": model,
        "MaxConcurrentTransforms": config.concurrent_requests,
        "MaxPayloadInMB": config.payload_mib,
        "TransformInput": {
            "ContentType": PARQUET,
            "SplitType": "None",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
        },
        "TransformOutput": {
            "S3OutputPath": _work_uri("scores"),
            "Accept": PARQUET,
            "AssembleWith": "None",
            "KmsKeyId": KEY_ARN,
        },
        "TransformResources": {
            "InstanceType": config.instance_type,
            "InstanceCount": config.instance_count,
            "VolumeKmsKeyId": KEY_ARN,
        },
    }
    return RequestStep("Score", "Transform", request)


def _results_step(
    config: BatchScoringConfig, target: Any, features: RequestStep, score: RequestStep
) -> RequestStep:
    """Nothing is written to the output before this step has found each row scored once."""
    request = processing_request(
        "batch",
        role="${ResultsRoleArn}",
        compute=config.compute,
        inputs=[
            *(
                s3_input(name, features.output_uri(name), f"/opt/ml/processing/input/{name}")
                for name in ("rows", "facts")
            ),
            _scores_input(score, "/opt/ml/processing/input/scores"),
        ],
        outputs={"batch": target},
        arguments=["results"],
        environment={"EXECUTION_ARN": EXECUTION_ARN},
    )
    return RequestStep("Results", "Processing", request)


def _monitor_step(
    config: BatchScoringConfig, target: Any, features: RequestStep, score: RequestStep
) -> RequestStep:
    """The analyzer, told what Model Monitor tells it of a batch transform's data.

    Its metrics carry the pipeline's name where those of the traffic have the endpoint's.
    """
    request = processing_request(
        "monitor",
        role="${MonitorRoleArn}",
        compute=config.compute,
        inputs=[
            s3_input("features", features.output_uri("features"), f"{DATASET_PATH}/features"),
            _scores_input(score, f"{DATASET_PATH}/scores"),
            s3_input("baseline", "${BaselineUri}", BASELINE_PATH),
        ],
        outputs={"report": join("/", target, "monitoring")},
        output_path=ANALYSIS_PATH,
        environment={
            **analyzer_settings("${MetricNamespace}", "${AWS::Region}"),
            "dataset_format": '{"parquet":{}}',
            "dataset_source": DATASET_PATH,
            "output_path": ANALYSIS_PATH,
            "baseline_constraints": f"{BASELINE_PATH}/constraints.json",
            "baseline_statistics": f"{BASELINE_PATH}/statistics.json",
            "monitoring_schedule_name": "${PipelineName}",
            "publish_cloudwatch_metrics": "Enabled",
            SCHEMA_VERSION_VARIABLE: "${SchemaVersion}",
        },
        calls_aws=True,
    )
    return RequestStep("Monitor", "Processing", request)


def _scores_input(score: RequestStep, local_path: str) -> dict[str, Any]:
    return s3_input("scores", score.get("TransformOutput.S3OutputPath"), local_path)
