"""An endpoint without instances: SageMaker runs the container when there are requests."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_sagemaker as sagemaker

__all__ = ["ServerlessConfig"]

MEMORY_SIZES = tuple(1024 * gibibytes for gibibytes in range(1, 7))
MOST_CONCURRENCY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerlessConfig:
    """What one endpoint without instances may take.

    ServerlessConfig(memory_mb=2048, max_concurrency=10)

    Attributes:
        memory_mb: Memory of a container, from which its share of processors follows.
        max_concurrency: Requests that are handled at a time; more are refused.
        provisioned_concurrency: For so many, containers are kept warm and paid for. If omitted, a
            request after a pause waits until a container has started.
    """

    memory_mb: int = 2048
    max_concurrency: int = 20
    provisioned_concurrency: int | None = None

    def __post_init__(self) -> None:
        if self.memory_mb not in MEMORY_SIZES:
            raise ValueError(
                f"memory_mb must be one of {', '.join(map(str, MEMORY_SIZES))}, got "
                f"{self.memory_mb}; SageMaker has no other sizes"
            )
        if not 1 <= self.max_concurrency <= MOST_CONCURRENCY:
            raise ValueError(
                f"max_concurrency must be between 1 and {MOST_CONCURRENCY}, got "
                f"{self.max_concurrency}; use instances for more"
            )
        provisioned = self.provisioned_concurrency
        if provisioned is not None and not 1 <= provisioned <= self.max_concurrency:
            raise ValueError(
                f"provisioned_concurrency must be between 1 and max_concurrency of "
                f"{self.max_concurrency}, got {provisioned}; leave it out to keep nothing warm"
            )

    def variant(self) -> sagemaker.CfnEndpointConfig.ServerlessConfigProperty:
        """As CloudFormation wants it."""
        return sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
            memory_size_in_mb=self.memory_mb,
            max_concurrency=self.max_concurrency,
            provisioned_concurrency=self.provisioned_concurrency,
        )
