"""What the server is told by its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pipeline_code.common.exits import BadInput
from pipeline_code.features.store import FeatureGroups

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings; each field names its environment variable.

    Args:
        host: SAGEMAKER_BIND_HOST, the address to listen on.
        port: SAGEMAKER_BIND_TO_PORT.
        workers: SERVE_WORKERS, processes; each holds the model.
        threads: SERVE_THREADS, requests that one worker handles at a time.
        max_body_bytes: SAGEMAKER_MAX_PAYLOAD_IN_MB, as batch transform sets it.
        store_timeout_seconds: SERVE_STORE_TIMEOUT_SECONDS, for one try to read the online store.
        groups: CUSTOMER_FEATURE_GROUP and TERMINAL_FEATURE_GROUP; None if neither is set, as in
            batch transform, which sends feature rows.
        model_version: MODEL_PACKAGE_ARN, told in each answer.
        region: AWS_REGION; boto3's own choice if unset.
    """

    host: str = "0.0.0.0"  # noqa: S104 - inside a container the port is only SageMaker's to reach
    port: int = 8080
    workers: int = 1
    threads: int = 16
    max_body_bytes: int = 6 * MEBIBYTE
    store_timeout_seconds: float = 2.0
    groups: FeatureGroups | None = None
    model_version: str = "none"
    region: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads and checks the environment.

        Raises:
            BadInput: A number is none or outside its limits; one feature group is set without the
                other.
        """
        return cls(
            host=environment.get("SAGEMAKER_BIND_HOST", "0.0.0.0"),  # noqa: S104 - as above
            port=int(_number(environment, "SAGEMAKER_BIND_TO_PORT", 8080, 1, 65_535)),
            workers=int(_number(environment, "SERVE_WORKERS", 1, 1, 256)),
            threads=int(_number(environment, "SERVE_THREADS", 16, 1, 256)),
            max_body_bytes=MEBIBYTE
            * int(_number(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 6, 1, 100)),
            store_timeout_seconds=_number(
                environment, "SERVE_STORE_TIMEOUT_SECONDS", 2.0, 0.01, 60.0
            ),
            groups=_groups(environment),
            model_version=environment.get("MODEL_PACKAGE_ARN", "none"),
            region=environment.get("AWS_REGION"),
        )


def _number(
    environment: Mapping[str, str], name: str, default: float, least: float, most: float
) -> float:
    text = environment.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise BadInput(f"{name} must be a number, got {text!r}") from error
    if not least <= value <= most:
        raise BadInput(f"{name} must be between {least} and {most}, got {text}")
    return value


def _groups(environment: Mapping[str, str]) -> FeatureGroups | None:
    customer = environment.get("CUSTOMER_FEATURE_GROUP", "")
    terminal = environment.get("TERMINAL_FEATURE_GROUP", "")
    if not customer and not terminal:
        return None
    if not customer or not terminal:
        raise BadInput(
            "CUSTOMER_FEATURE_GROUP and TERMINAL_FEATURE_GROUP must be set together, "
            f"got {customer!r} and {terminal!r}"
        )
    return FeatureGroups(customer=customer, terminal=terminal)
