"""The analyzer's job: what it reads, writes and may do, the same under both monitoring engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.container_image import ContainerImage
from lifecycle.endpoint_config import VARIANT_NAME
from lifecycle.job_requests import REGION_VARIABLE
from lifecycle.job_role import JobRole
from lifecycle.model_deployment import BASELINE_PREFIX

__all__ = [
    "ANALYSIS_PATH",
    "CAPTURES_PATH",
    "EVENT_SOURCE",
    "REPORTS_PREFIX",
    "Analyzer",
    "allow_telling",
    "analyzer_settings",
]

REPORTS_PREFIX = "monitoring/reports/"
# Where Model Monitor's contract has an analyzer look for captures and leave its files.
CAPTURES_PATH = "/opt/ml/processing/input/endpoint"
ANALYSIS_PATH = "/opt/ml/processing/resultdata"
EVENT_SOURCE = "fraudloop.monitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzer:
    """What the engines need to run the analyzer; S3 URIs are deploy-time values.

    Attributes:
        role: What the job runs as.
        image_uri: The image it runs.
        key_arn: Key of its volume and its files.
        endpoint_name: The endpoint whose captures it reads.
        captures_uri: Where those captures are, of the variant that answers callers.
        baseline_uri: Where `statistics.json` and `constraints.json` of the deployed model are.
        reports_uri: Where its files go.
        metric_namespace: CloudWatch namespace of its metrics.
    """

    role: JobRole
    image_uri: str
    key_arn: str
    endpoint_name: str
    captures_uri: str
    baseline_uri: str
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
        metric_namespace: str,
    ) -> Analyzer:
        """Defines the role, which may read captures and baseline, and tell what it found."""
        captures = f"{endpoint_name}/"
        role = JobRole(
            scope,
            "AnalyzerRole",
            image=image,
            encryption_key=encryption_key,
            description="Compares captured traffic with the model's baseline",
        )
        role.read(captures_bucket, captures)
        role.read(artifacts_bucket, BASELINE_PREFIX)
        role.write(artifacts_bucket, REPORTS_PREFIX)
        role.publish_metrics(metric_namespace)
        allow_telling(role)
        return cls(
            role=role,
            image_uri=image.uri,
            key_arn=encryption_key.key_arn,
            endpoint_name=endpoint_name,
            # Not a challenger's: what nobody hears is no traffic.
            captures_uri=captures_bucket.s3_url_for_object(f"{captures}{VARIANT_NAME}/"),
            baseline_uri=artifacts_bucket.s3_url_for_object(BASELINE_PREFIX),
            reports_uri=artifacts_bucket.s3_url_for_object(REPORTS_PREFIX.rstrip("/")),
            metric_namespace=metric_namespace,
        )


def analyzer_settings(metric_namespace: str, region: str) -> Mapping[str, str]:
    """Environment variables beyond those of Model Monitor's contract."""
    return {"METRIC_NAMESPACE": metric_namespace, REGION_VARIABLE: region}


def allow_telling(role: JobRole) -> None:
    """Allow the analyzer to send events of its own source to the account's bus."""
    bus = events.EventBus.from_event_bus_name(role, "DefaultBus", "default")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["events:PutEvents"],
            resources=[bus.event_bus_arn],
            conditions={"StringEquals": {"events:source": EVENT_SOURCE}},
        )
    )
