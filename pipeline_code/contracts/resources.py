"""Physical names of what is deployed: those that another system has to type."""

from enum import StrEnum

__all__ = [
    "PRODUCT",
    "RESOURCE_TAG",
    "Stage",
    "database_name",
    "metric_namespace",
    "parameter_name",
    "resource_name",
]

PRODUCT = "fraudloop"
# Names the logical ID of a resource that outlives its stack, so that the next stack adopts it.
RESOURCE_TAG = f"{PRODUCT}:resource"


class Stage(StrEnum):
    """The stages of the lifecycle; each is a stack, `resource_name(environment, stage)`."""

    DATA_LAKE = "data-lake"
    FEATURE_STORE = "feature-store"
    TRAINING = "training"
    SERVING = "serving"
    MONITORING = "monitoring"
    STREAMING = "streaming"
    RETRAINING = "retraining"


def resource_name(environment: str, capability: str) -> str:
    """The name of a stack, pipeline, stream, endpoint, ...: `fraudloop-local-training`."""
    return f"{PRODUCT}-{environment}-{capability}"


def parameter_name(environment: str, purpose: str) -> str:
    """The name of an SSM parameter: `/fraudloop/local/approved-model-package`."""
    return f"/{PRODUCT}/{environment}/{purpose}"


def metric_namespace(environment: str) -> str:
    """The CloudWatch namespace of every metric of an environment's own."""
    return f"{PRODUCT}/{environment}"


def database_name(environment: str) -> str:
    """The Glue database; Athena wants no hyphen in it."""
    return f"{PRODUCT}_{environment}"
