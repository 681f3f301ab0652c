"""The analyzer's job: what it reads, writes and may do, the same under both monitoring engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Aws, Fn
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.deployment.model_deployment import BASELINE_PREFIX
from lifecycle.endpoint.config import VARIANT_NAME
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.job_requests import REGION_VARIABLE
from lifecycle.jobs.job_role import JobRole
from lifecycle.registry.spelled_package import part, schema_version
from pipeline_code.contracts.events import MONITOR_SOURCE
from pipeline_code.contracts.monitoring import REPORTS_PREFIX, MonitorKind
from pipeline_code.contracts.packages import DIGEST
from pipeline_code.contracts.schema import SCHEMA_VERSION_VARIABLE

__all__ = [
    "ANALYSIS_PATH",
    "CAPTURES_PATH",
    "GROUND_TRUTH_PREFIX",
    "Analyzer",
    "allow_telling",
    "analyzer_settings",
    "baseline_folder",
]

GROUND_TRUTH_PREFIX = "monitoring/ground-truth/"
# Where Model Monitor's contract has an analyzer look for captures and leave its files.
CAPTURES_PATH = "/opt/ml/processing/input/endpoint"
ANALYSIS_PATH = "/opt/ml/processing/resultdata"
PACKAGES = ":model-package/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzer:
    """What the engines need to run the analyzer; S3 URIs are deploy-time values.

    Attributes:
        role: What the jobs run as.
        image_uri: The image they run.
        key_arn: Key of their volumes and files.
        endpoint_name: The endpoint whose captures they read.
        model_version: ARN of the package whose responses they judge, or `none`.
        model_digest: Digest of that package's model.
        schema_version: Of the features that it takes.
        captures_uri: Where those captures are, of the variant that answers callers.
        baselines_uri: Where that package's baselines are, a folder for each kind.
        ground_truth_uri: Where the labels are.
        reports_uri: Where their files go.
        metric_namespace: CloudWatch namespace of their metrics.
    """

    role: JobRole
    image_uri: str
    key_arn: str
    endpoint_name: str
    model_version: str
    model_digest: str
    schema_version: str
    captures_uri: str
    baselines_uri: str
    ground_truth_uri: str
    reports_uri: str
    metric_namespace: str

    @classmethod
    def define(
        cls,
        scope: Construct,
        *,
        image: ContainerImage,
        captures_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        encryption_key: kms.IKey,
        endpoint_name: str,
        approved_package: str,
        metric_namespace: str,
    ) -> Analyzer:
        """Defines the role, which may read captures, labels and baselines, and tell its finding."""
        captures = f"{endpoint_name}/"
        ground_truth = f"{GROUND_TRUTH_PREFIX}{endpoint_name}/"
        role = JobRole(
            scope,
            "AnalyzerRole",
            image=image,
            encryption_key=encryption_key,
            description="Compares captured traffic with the model's baseline",
        )
        role.read(captures_bucket, captures)
        role.read(artifacts_bucket, BASELINE_PREFIX, ground_truth)
        role.write(artifacts_bucket, REPORTS_PREFIX)
        role.publish_metrics(metric_namespace)
        allow_telling(role)
        return cls(
            role=role,
            image_uri=image.uri,
            key_arn=encryption_key.key_arn,
            endpoint_name=endpoint_name,
            model_version=part(approved_package, "model_package"),
            model_digest=part(approved_package, "model_digest"),
            schema_version=schema_version(approved_package),
            # Not a challenger's: what nobody hears is no traffic.
            captures_uri=captures_bucket.s3_url_for_object(f"{captures}{VARIANT_NAME}/"),
            baselines_uri=baseline_folder(artifacts_bucket, approved_package),
            ground_truth_uri=artifacts_bucket.s3_url_for_object(ground_truth),
            reports_uri=artifacts_bucket.s3_url_for_object(REPORTS_PREFIX.rstrip("/")),
            metric_namespace=metric_namespace,
        )

    def baseline_uri(self, kind: MonitorKind) -> str:
        """Where `statistics.json` and `constraints.json` of a kind are."""
        return f"{self.baselines_uri}{kind}/"

    @property
    def model_data_uri(self) -> str:
        """The watched model, which attributions are computed with."""
        return f"{self.baseline_uri(MonitorKind.ATTRIBUTION)}model.tar.gz"

    def settings(self, kind: MonitorKind, look_back_hours: int) -> Mapping[str, str]:
        """Environment variables beyond those of Model Monitor's contract.

        Data quality is told its hour by its schedule; the others look further back than a schedule
        can say, and read the captures themselves.
        """
        own = {
            "MONITOR_KIND": kind.value,
            "MODEL_VERSION": self.model_version,
            SCHEMA_VERSION_VARIABLE: self.schema_version,
        }
        if kind is not MonitorKind.DATA_QUALITY:
            own |= {"CAPTURES_URI": self.captures_uri, "LOOK_BACK_HOURS": str(look_back_hours)}
        if kind.needs_labels:
            own["GROUND_TRUTH_URI"] = self.ground_truth_uri
        if kind is MonitorKind.ATTRIBUTION:
            own |= {"MODEL_DATA_URI": self.model_data_uri, DIGEST: self.model_digest}
        return {**analyzer_settings(self.metric_namespace, Aws.REGION), **own}


def analyzer_settings(metric_namespace: str, region: str) -> dict[str, str]:
    """Environment variables that the analyzer needs whatever it looks for."""
    return {"METRIC_NAMESPACE": metric_namespace, REGION_VARIABLE: region}


def baseline_folder(artifacts_bucket: s3.IBucket, approved_package: str) -> str:
    """S3 URI of the folder of a spelled package's baselines, known at deployment.

    Each version has a folder of its own, so that what runs is never compared with what another
    version learned, whichever of the two stacks is deployed first. `none` has the folder `none`.
    """
    package = part(approved_package, "model_package")
    found = Fn.split(PACKAGES, Fn.join("", [package, f"{PACKAGES}none"]))
    return f"{artifacts_bucket.s3_url_for_object(BASELINE_PREFIX)}{Fn.select(1, found)}/"


def allow_telling(role: JobRole) -> None:
    """Allow the analyzer to send events of its own source to the account's bus."""
    bus = events.EventBus.from_event_bus_name(role, "DefaultBus", "default")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["events:PutEvents"],
            resources=[bus.event_bus_arn],
            conditions={"StringEquals": {"events:source": MONITOR_SOURCE}},
        )
    )
