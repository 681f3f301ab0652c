"""The settings of the server, from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import registered_digest
from pipeline_code.contracts.environment import read, variable
from pipeline_code.contracts.packages import NO_MODEL, variables_of
from pipeline_code.features.store.online_store import FeatureGroups
from pipeline_code.serve.cores import available_cores
from pipeline_code.serve.metrics import MetricsConfig
from pipeline_code.serve.states import StatesConfig
from pipeline_code.serve.thresholds import Thresholds

__all__ = ["MEBIBYTE", "ServerSettings"]

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The server's settings; each field names its environment variable.

    What MODEL_PACKAGE spells of a package counts more than variables of the same names: it is the
    stack's own word, and SageMaker may or may not add the package's.

    Args:
        host: SAGEMAKER_BIND_HOST, the address to listen on.
        port: SAGEMAKER_BIND_TO_PORT.
        workers: SERVE_WORKERS, processes; each holds the model. As many as the container has cores
            if unset.
        max_body_bytes: SAGEMAKER_MAX_PAYLOAD_IN_MB, as batch transform sets it.
        states: SERVE_STORE_BUDGET_MILLISECONDS, how long a request waits for the online store;
            SERVE_STATE_CACHE_SECONDS, how old a state may be that a request uses, 0 for none;
            SERVE_STORE_READS, reads of one worker at a time.
        store_timeout_seconds: SERVE_STORE_TIMEOUT_SECONDS, after which one try to read the online
            store gives up its connection.
        thresholds: REVIEW_THRESHOLD and DECLINE_THRESHOLD, which the model package brings.
        model_digest: MODEL_DIGEST, of the model's files, likewise.
        metrics: METRIC_NAMESPACE and ENDPOINT_NAME; None without the former, and in batch
            transform, whose responses are not the endpoint's.
        groups: CUSTOMER_FEATURE_GROUP and TERMINAL_FEATURE_GROUP; None if neither is set, as in
            batch transform, which sends feature rows.
        model_version: MODEL_PACKAGE_ARN, told in each response.
    """

    # Inside a container the port is only SageMaker's to reach.
    host: str = variable("SAGEMAKER_BIND_HOST", default="0.0.0.0")  # noqa: S104
    port: int = variable("SAGEMAKER_BIND_TO_PORT", default=8080, least=1, most=65_535)
    workers: int = variable("SERVE_WORKERS", default_factory=available_cores, least=1, most=256)
    max_body_bytes: int = variable(
        "SAGEMAKER_MAX_PAYLOAD_IN_MB", default=6 * MEBIBYTE, least=1, most=100, scale=MEBIBYTE
    )
    states: StatesConfig = field(default_factory=StatesConfig)
    store_timeout_seconds: float = variable(
        "SERVE_STORE_TIMEOUT_SECONDS", default=2.0, least=0.01, most=60.0
    )
    thresholds: Thresholds = field(default_factory=Thresholds)
    metrics: MetricsConfig | None = None
    groups: FeatureGroups | None = None
    model_digest: str = ""
    model_version: str = variable("MODEL_PACKAGE_ARN", default=NO_MODEL)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads and checks the environment.

        Raises:
            BadInput: A number is none or outside its limits; one feature group is set without the
                other; a threshold is missing or wrong, or the digest is; metrics have no endpoint.
        """
        environment = {**environment, **variables_of(environment.get("MODEL_PACKAGE", ""))}
        return read(
            cls,
            environment,
            BadInput,
            thresholds=Thresholds.parse(environment),
            metrics=_metrics(environment),
            model_digest=registered_digest(environment),
        )


def _metrics(environment: Mapping[str, str]) -> MetricsConfig | None:
    namespace = environment.get("METRIC_NAMESPACE", "")
    # SageMaker sets this in batch transform.
    if not namespace or environment.get("SAGEMAKER_BATCH", "").lower() == "true":
        return None
    endpoint = environment.get("ENDPOINT_NAME", "")
    if not endpoint:
        raise BadInput("ENDPOINT_NAME must be set if METRIC_NAMESPACE is, got none")
    return MetricsConfig(
        namespace=namespace,
        endpoint_name=endpoint,
        model_version=environment.get("MODEL_PACKAGE_ARN", NO_MODEL),
    )
