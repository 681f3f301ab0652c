"""The one image that processing, training, serving and monitoring run, built while deploying."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from aws_cdk import (
    ArnFormat,
    CustomResource,
    Duration,
    IgnoreMode,
    RemovalPolicy,
    Stack,
)
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from lifecycle.functions.lambda_function import LambdaFunction
from lifecycle.image.image_build import (
    PROJECT_TARGET,
    VARIANTS,
    Variant,
    define_build_project,
)
from lifecycle.lake.retention import tag_kept

__all__ = ["IMAGE_HANDLERS", "ContainerImage"]

SOURCE = Path(__file__).parents[3] / "pipeline_code"
# Lambdas that run the image, since they need its libraries.
IMAGE_HANDLERS = ("fold_customers", "fold_terminals", "land_events")
# The other Lambdas ship on their own: a change of one of them must not demand a new image.
NOT_IN_THE_IMAGE = [
    "lambdas/*",
    *(f"!lambdas/{name}" for name in IMAGE_HANDLERS),
    "requirements*.in",
    "__pycache__",
    "*.pyc",
]
# Lambda's most; the function that waits for a build is invoked again until it has ended.
INVOCATION_LIMIT = Duration.minutes(15)
# CloudFormation's most for a custom resource.
SERVICE_LIMIT = Duration.hours(1)


class ContainerImage(Construct):
    """Builds the project's image in AWS during deployment, so that nobody needs Docker.

    ContainerImage(self, "Image", encryption_key=key, removal_policy=RemovalPolicy.RETAIN).uri

    Guarantees:
        The tag is a hash of the source: code that did not change is not built again, code that did
        never hides behind an old tag, and a tag cannot be overwritten.
        What depends on this construct is deployed after the image is there. Builds run one after
        another, each when the build project may do what it has to.
        No image that has a tag is ever deleted: registered models go on naming theirs.
        Images are encrypted under the given key and scanned when pushed.
        Lambda may pull them for functions of this account and Region, and of no other.

    Args:
        encryption_key: Key of the repository, the build's log and its artifacts.
        removal_policy: What becomes of the images with the stack. Models that were registered need
            theirs, so it has to be that of the registry.
        variants: What it is built with besides, each under a tag of its own, so that nothing else
            has to carry it: `spark` adds Java and Spark, `cuda` an XGBoost that uses GPUs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption_key: kms.IKey,
        removal_policy: RemovalPolicy,
        variants: Collection[Variant] = (),
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
        self.project = define_build_project(
            self,
            source=self._source,
            repository=self.repository,
            tag=self.tag,
            encryption_key=encryption_key,
        )
        self._builder = self._define_builder()
        self._variant_tags = {
            variant: f"{self.tag}-{variant}" for variant in VARIANTS if variant in variants
        }
        build = self._define_build("Build", PROJECT_TARGET, self.tag)
        for variant, tag in self._variant_tags.items():
            before, build = build, self._define_build(VARIANTS[variant], variant, tag)
            # A new account may run one build at a time.
            build.node.add_dependency(before)

    @property
    def uri(self) -> str:
        """The image's URI.

        The tag in it is a literal. Were it the build's response, other stacks would import it, and
        CloudFormation refuses to change what another stack imports: no new image could be deployed.
        """
        return self.repository.repository_uri_for_tag(self.tag)

    def variant_uri(self, variant: Variant) -> str:
        """The URI of the same image with something added, for the jobs that use it.

        Raises:
            ValueError: If it is not built.
        """
        if variant not in self._variant_tags:
            raise ValueError(
                f"variant must be one that is built, got {variant}; name it in variants where the "
                "image is made"
            )
        return self.repository.repository_uri_for_tag(self._variant_tags[variant])

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
                    description="Layers of failed pushes",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=Duration.days(1),
                ),
            ],
            removal_policy=removal_policy,
            empty_on_delete=removal_policy is RemovalPolicy.DESTROY,
        )
        tag_kept(repository)
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

    def _define_builder(self) -> LambdaFunction:
        builder = LambdaFunction(
            self,
            "Builder",
            handler="build_image",
            description="Has CodeBuild build the image, and waits for it",
            encryption_key=self._key,
            timeout=INVOCATION_LIMIT,
            environment={},
        )
        builder.role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "codebuild:BatchGetBuilds",
                    "codebuild:ListBuildsForProject",
                    "codebuild:StartBuild",
                ],
                resources=[self.project.project_arn],
            )
        )
        self.repository.grant(builder.role, "ecr:DescribeImages")
        # Apart from the role's own policy, which has to be there before the function is.
        iam.Policy(
            builder,
            "InvokeItself",
            roles=[builder.role],
            statements=[
                iam.PolicyStatement(
                    actions=["lambda:InvokeFunction"], resources=[builder.function.function_arn]
                )
            ],
        )
        return builder

    def _define_build(self, construct_id: str, target: str, tag: str) -> CustomResource:
        build = CustomResource(
            self,
            construct_id,
            resource_type="Custom::ContainerImage",
            service_token=self._builder.function.function_arn,
            service_timeout=SERVICE_LIMIT,
            properties={
                "ProjectName": self.project.project_name,
                "RepositoryName": self.repository.repository_name,
                "ImageTag": tag,
                "BuildTarget": target,
            },
        )
        # With their roles' policies, which CloudFormation would else change at the same time.
        role = self.node.find_child("BuildRole")
        build.node.add_dependency(self.project, role, self._builder)
        return build
