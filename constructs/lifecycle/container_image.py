"""The one image that processing, training, serving and monitoring run, built while deploying."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import (
    Acknowledgment,
    ArnFormat,
    CustomResource,
    Duration,
    IgnoreMode,
    RemovalPolicy,
    Stack,
    Validations,
)
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from lifecycle.lambda_function import LambdaFunction
from lifecycle.wildcards import acknowledge_action, acknowledge_resource

__all__ = ["IMAGE_HANDLERS", "ContainerImage"]

SOURCE = Path(__file__).parents[2] / "pipeline_code"
# Lambdas that run the image, since they need its libraries.
IMAGE_HANDLERS = ("fold_customers", "fold_terminals", "land_events")
# The other Lambdas ship on their own: a change of one of them must not demand a new image.
NOT_IN_THE_IMAGE = [
    "lambdas/*",
    *(f"!lambdas/{name}" for name in IMAGE_HANDLERS),
    "requirements.in",
    "__pycache__",
    "*.pyc",
]
# Registered models keep naming their image, so rather many are kept.
KEPT_IMAGES = 200
# Lambda's limit; the function that waits for the build can wait no longer.
BUILD_LIMIT = Duration.minutes(15)


class ContainerImage(Construct):
    """Builds the project's image in AWS during deployment, so that nobody needs Docker.

    ContainerImage(self, "Image", encryption_key=key, removal_policy=RemovalPolicy.RETAIN).uri

    Guarantees:
        The tag is a hash of the source: code that did not change is not built again, code that did
        never hides behind an old tag, and a tag cannot be overwritten.
        What depends on this construct is deployed after the image is there.
        Images are encrypted under the given key and scanned when pushed.
        Lambda may pull them for functions of this account and Region, and of no other.

    Args:
        encryption_key: Key of the repository, the build's log and its artifacts.
        removal_policy: What becomes of the images with the stack. Models that were registered need
            theirs, so it has to be that of the registry.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption_key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = encryption_key
        self._source = assets.Asset(
            self,
            "Source",
            path=str(SOURCE),
            exclude=NOT_IN_THE_IMAGE,
            ignore_mode=IgnoreMode.GIT,
        )
        self.tag = self._source.asset_hash
        self.repository = self._define_repository(removal_policy)
        self.project = self._define_project()
        self._define_build()

    @property
    def uri(self) -> str:
        """The image's URI.

        The tag in it is a literal. Were it the build's answer, other stacks would import it, and
        CloudFormation refuses to change what another stack imports: no new image could be deployed.
        """
        return self.repository.repository_uri_for_tag(self.tag)

    def grant_pull(self, grantee: iam.IGrantable) -> None:
        """Allow running the image."""
        self.repository.grant_pull(grantee)

    def _define_repository(self, removal_policy: RemovalPolicy) -> ecr.Repository:
        repository = ecr.Repository(
            self,
            "Repository",
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=self._key,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    rule_priority=1,
                    description="Layers of failed pushes",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=Duration.days(1),
                ),
                ecr.LifecycleRule(
                    rule_priority=2,
                    description="The newest images",
                    tag_status=ecr.TagStatus.ANY,
                    max_image_count=KEPT_IMAGES,
                ),
            ],
            removal_policy=removal_policy,
            empty_on_delete=removal_policy is RemovalPolicy.DESTROY,
        )
        functions = Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name="*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        repository.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Functions",
                principals=[iam.ServicePrincipal("lambda.amazonaws.com")],
                actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                conditions={"ArnLike": {"aws:SourceArn": functions}},
            )
        )
        return repository

    def _define_project(self) -> codebuild.Project:
        log_group = logs.LogGroup(
            self,
            "BuildLog",
            encryption_key=self._key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        project = codebuild.Project(
            self,
            "Project",
            description="Builds the project's image and pushes it",
            source=codebuild.Source.s3(bucket=self._source.bucket, path=self._source.s3_object_key),
            build_spec=codebuild.BuildSpec.from_object(_build_specification()),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxBuildImage.STANDARD_7_0,
                compute_type=codebuild.ComputeType.MEDIUM,
                privileged=True,
            ),
            environment_variables={
                "REPOSITORY_URI": codebuild.BuildEnvironmentVariable(
                    value=self.repository.repository_uri
                ),
                "REGISTRY": codebuild.BuildEnvironmentVariable(value=self._registry()),
                "IMAGE_TAG": codebuild.BuildEnvironmentVariable(value=self.tag),
            },
            encryption_key=self._key,
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)
            ),
            grant_report_group_permissions=False,
            timeout=BUILD_LIMIT,
            queued_timeout=BUILD_LIMIT,
        )
        self.repository.grant_pull_push(project)
        _acknowledge_build(project)
        return project

    def _registry(self) -> str:
        stack = Stack.of(self)
        return f"{stack.account}.dkr.ecr.{stack.region}.{stack.url_suffix}"

    def _define_build(self) -> None:
        builder = LambdaFunction(
            self,
            "Builder",
            handler="build_image",
            description="Has CodeBuild build the image, and waits for it",
            encryption_key=self._key,
            timeout=BUILD_LIMIT,
            environment={},
        )
        builder.role.add_to_policy(
            iam.PolicyStatement(
                actions=["codebuild:BatchGetBuilds", "codebuild:StartBuild"],
                resources=[self.project.project_arn],
            )
        )
        self.repository.grant(builder.role, "ecr:DescribeImages")
        CustomResource(
            self,
            "Build",
            resource_type="Custom::ContainerImage",
            service_token=builder.function.function_arn,
            service_timeout=BUILD_LIMIT,
            properties={
                "ProjectName": self.project.project_name,
                "RepositoryName": self.repository.repository_name,
                "ImageTag": self.tag,
            },
        )


def _build_specification() -> dict[str, object]:
    return {
        "version": "0.2",
        "phases": {
            "build": {
                "commands": [
                    "aws ecr get-login-password"
                    " | docker login --username AWS --password-stdin $REGISTRY",
                    "docker build --tag $REPOSITORY_URI:$IMAGE_TAG .",
                    "docker push $REPOSITORY_URI:$IMAGE_TAG",
                ]
            }
        },
    }


def _acknowledge_build(project: codebuild.Project) -> None:
    Validations.of(project).acknowledge(
        Acknowledgment(
            id="AwsSolutions::AwsSolutions-CB3",
            reason="Docker builds images only in privileged mode; the project builds nothing but "
            "this repository's own Dockerfile",
        )
    )
    granted = "The CDK's own grant, of the source archive and of the key"
    for action in ("s3:GetBucket*", "s3:GetObject*", "s3:List*"):
        acknowledge_action(project, action, granted)
    for action in ("kms:GenerateDataKey*", "kms:ReEncrypt*"):
        acknowledge_action(project, action, granted)
    acknowledge_resource(project, "*", "ecr:GetAuthorizationToken takes no resource")
    own_log = Stack.of(project).format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"/aws/codebuild/{project.project_name}:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    acknowledge_resource(project, own_log, "The CDK's own grant, of the project's default log")
