"""Creations that pass a role to SageMaker."""

import uuid
from typing import Any

from tests.local_aws.sagemaker.conftest import (
    CLUSTER,
    IMAGE,
    definition,
    unique,
)

ARN = "arn:aws:sagemaker:us-east-1:000000000000"


STOPPING = {"MaxRuntimeInSeconds": 60}


PROCESSING = {
    "AppSpecification": {"ImageUri": IMAGE},
    "ProcessingResources": {"ClusterConfig": CLUSTER},
}


TRAINING: dict[str, Any] = {
    "AlgorithmSpecification": {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
    },
    "OutputDataConfig": {"S3OutputPath": "s3://anywhere/models"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": STOPPING,
}


TUNING = {
    "Strategy": "Random",
    "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
    "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
    "ParameterRanges": {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
    },
}


FEATURES = {
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "at",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "at", "FeatureType": "Fractional"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
}


MONITORED = {
    "DataQualityAppSpecification": {"ImageUri": IMAGE},
    "DataQualityJobInput": {
        "EndpointInput": {"EndpointName": "e", "LocalPath": "/opt/ml/processing/input"}
    },
    "DataQualityJobOutputConfig": {
        "MonitoringOutputs": [
            {"S3Output": {"S3Uri": "s3://a/b", "LocalPath": "/opt/ml/processing/output"}}
        ]
    },
    "JobResources": {"ClusterConfig": CLUSTER},
}


STEPS = definition([{"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "over"}}])


# Operation, kind of what it makes, the member that names it, and the rest but for the role.
CREATIONS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("CreateProcessingJob", "processing-job", "ProcessingJobName", PROCESSING),
    ("CreateTrainingJob", "training-job", "TrainingJobName", TRAINING),
    ("CreateModel", "model", "ModelName", {"PrimaryContainer": {"Image": IMAGE}}),
    ("CreatePipeline", "pipeline", "PipelineName", {"PipelineDefinition": STEPS}),
    ("CreateFeatureGroup", "feature-group", "FeatureGroupName", FEATURES),
    ("CreateDataQualityJobDefinition", "data-quality-job-definition", "JobDefinitionName",
     MONITORED),
    ("CreateHyperParameterTuningJob", "hyper-parameter-tuning-job", "HyperParameterTuningJobName",
     {"HyperParameterTuningJobConfig": TUNING, "TrainingJobDefinition": TRAINING}),
]  # fmt: skip


def request_of(creation: tuple[str, str, str, dict[str, Any]], role: str) -> dict[str, Any]:
    operation, _, member, rest = creation
    request = {**rest, member: unique("made")[:32]}
    if operation == "CreateModel":
        return {**request, "ExecutionRoleArn": role}
    if operation == "CreateHyperParameterTuningJob":
        return {**request, "TrainingJobDefinition": {**TRAINING, "RoleArn": role}}
    if operation == "CreatePipeline":
        request["ClientRequestToken"] = uuid.uuid4().hex
    return {**request, "RoleArn": role}
