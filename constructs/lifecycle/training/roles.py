"""The roles of the training pipeline: one per kind of job, and one that starts them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.features.feature_store import FeatureStore
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.job_role import (
    JobRole,
    Kind,
    grant_get_objects,
    sagemaker_principal,
)
from lifecycle.lake.data_lake import CHECKPOINTS_PREFIX
from lifecycle.registry.model_registry import ModelRegistry

__all__ = ["EXECUTIONS", "MODELS", "TrainingRoles"]

EXECUTIONS = "executions/"
MODELS = "models/"
# SageMaker names what an execution starts; nothing else in an account begins like it.
PIPELINE_JOBS = "pipelines-*"


class TrainingRoles(Construct):
    """The roles of the training pipeline.

    Guarantees:
        The check reads raw data; features also reach the feature store; training sees features
        only; evaluation reads the registry and its models; nobody but the pipeline registers, and
        only with the status that is configured.

    Args:
        image: What every job runs.
        raw_bucket: Transactions and fraud reports.
        features_bucket: Features and check reports, by execution.
        artifacts_bucket: Models, evaluations and baselines.
        feature_store: Where states are put.
        registry: Where models are registered, and champions found.
        encryption_key: Key of the buckets, and of the jobs' volumes.
        checkpoints: Whether training keeps checkpoints, and reads them when it starts again.
        tuning: Whether the model is tuned, and not trained once.
        approval_status: With which a model is registered.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        image: ContainerImage,
        raw_bucket: s3.IBucket,
        features_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        feature_store: FeatureStore,
        registry: ModelRegistry,
        encryption_key: kms.IKey,
        checkpoints: bool,
        tuning: bool,
        approval_status: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._image = image
        self._key = encryption_key

        self.check = self._define_job_role("Check", "Checks raw data")
        self.check.read(raw_bucket, "transactions/", "fraud_reports/")
        self.check.write(features_bucket, EXECUTIONS)

        self.features = self._define_job_role("Features", "Computes features")
        self.features.read(raw_bucket, "transactions/", "fraud_reports/")
        # It records which versions of which objects it read.
        self.features.list_versions(raw_bucket, "transactions/", "fraud_reports/")
        self.features.write(features_bucket, EXECUTIONS)
        # Events are folded into the states that the store has: read, then written.
        feature_store.grant_read(self.features)
        feature_store.grant_write(self.features)

        kept = (CHECKPOINTS_PREFIX,) if checkpoints else ()
        self.training = self._define_job_role("Training", "Trains a model", "Training")
        self.training.read(features_bucket, EXECUTIONS)
        self.training.write(artifacts_bucket, MODELS, *kept)
        if kept:
            self.training.read(artifacts_bucket, *kept)

        self.evaluation = self._define_job_role("Evaluation", "Compares a model with the champion")
        self.evaluation.read(raw_bucket, "fraud_reports/")
        self.evaluation.read(features_bucket, EXECUTIONS)
        self.evaluation.read(artifacts_bucket, MODELS)
        self.evaluation.write(artifacts_bucket, EXECUTIONS)
        registry.grant_read(self.evaluation)

        self.baseline = self._define_job_role("Baseline", "Computes the monitoring baseline")
        self.baseline.read(features_bucket, EXECUTIONS)
        self.baseline.write(artifacts_bucket, EXECUTIONS)

        self.pipeline = self._define_pipeline_role(artifacts_bucket, tuning=tuning)
        registry.grant_register(self.pipeline, approval_status)

    @property
    def arns(self) -> Mapping[str, str]:
        """The jobs' roles, by the placeholders of the pipeline's definition."""
        return MappingProxyType(
            {
                "BaselineRoleArn": self.baseline.role_arn,
                "CheckRoleArn": self.check.role_arn,
                "EvaluationRoleArn": self.evaluation.role_arn,
                "FeaturesRoleArn": self.features.role_arn,
                "TrainingRoleArn": self.training.role_arn,
            }
        )

    def _define_job_role(
        self, construct_id: str, description: str, kind: Kind = "Processing"
    ) -> JobRole:
        return JobRole(
            self,
            construct_id,
            image=self._image,
            encryption_key=self._key,
            description=description,
            kind=kind,
        )

    def _define_pipeline_role(self, artifacts_bucket: s3.IBucket, *, tuning: bool) -> iam.Role:
        role = iam.Role(
            self,
            "Pipeline",
            description="Starts the training pipeline's jobs and registers its model",
            assumed_by=sagemaker_principal(self),
        )
        allow_jobs(role, "processing-job", *(() if tuning else ("training-job",)))
        if tuning:
            _allow_tuning(role)
        allow_passing(role, list(self.arns.values()))
        # Registering checks that the model and the image exist, and the gate reads the evaluation.
        self._image.grant_pull(role)
        grant_get_objects(role, artifacts_bucket, self._key, EXECUTIONS, MODELS)
        acknowledge_resource(role, "*", "ecr:GetAuthorizationToken takes no resource")
        return role


def allow_jobs(role: iam.Role, *kinds: str) -> None:
    """Allow a pipeline's role to run its own jobs of these kinds, and nobody else's."""
    stack = Stack.of(role)
    for kind in kinds:
        noun = "".join(word.capitalize() for word in kind.split("-"))
        jobs = stack.format_arn(service="sagemaker", resource=kind, resource_name=PIPELINE_JOBS)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "sagemaker:AddTags",
                    f"sagemaker:Create{noun}",
                    f"sagemaker:Describe{noun}",
                    f"sagemaker:Stop{noun}",
                ],
                resources=[jobs],
            )
        )
        acknowledge_resource(
            role, jobs, "SageMaker names what a pipeline starts after its execution"
        )


def _allow_tuning(role: iam.Role) -> None:
    """Allow a pipeline's role to run tuning jobs, and to see which of their jobs did best."""
    stack = Stack.of(role)
    # Of at most 32 characters, their names lack the prefix of an execution's other jobs.
    jobs = stack.format_arn(
        service="sagemaker", resource="hyper-parameter-tuning-job", resource_name="*"
    )
    actions = (
        "AddTags",
        "CreateHyperParameterTuningJob",
        "DescribeHyperParameterTuningJob",
        "ListTrainingJobsForHyperParameterTuningJob",
        "StopHyperParameterTuningJob",
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=[f"sagemaker:{action}" for action in actions], resources=[jobs])
    )
    acknowledge_resource(role, jobs, "SageMaker names a tuning job after an execution's random id")


def allow_passing(role: iam.Role, job_role_arns: list[str]) -> None:
    """Allow handing these roles, and no other, to SageMaker."""
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=job_role_arns,
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
    )
