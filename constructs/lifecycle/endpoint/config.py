"""The configuration of an endpoint: compute, server, and what SageMaker forbids together."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifecycle.endpoint.health import HealthConfig
from lifecycle.endpoint.rollout import RolloutConfig
from lifecycle.endpoint.scaling import ScalingConfig
from lifecycle.endpoint.serverless import ServerlessConfig
from lifecycle.endpoint.shadow import ShadowConfig
from lifecycle.jobs.instance_types import check_instance_type
from pipeline_code.contracts.serving import LONGEST_CACHE_SECONDS

__all__ = ["VARIANT_NAME", "EndpointConfig", "ServerConfig"]

# The same for every version: scaling, alarms and captures are keyed by it.
VARIANT_NAME = "primary"
# The server's own limit: an older state would be a wrong answer.
DEFAULT_INSTANCE_TYPE = "ml.c6i.large"

# Of SageMaker's serverless inference; the reasons are its own.
NOT_SERVERLESS = {
    "instance_type": "SageMaker chooses the machine by memory_mb",
    "scaling": "SageMaker scales by the requests, up to max_concurrency",
    "rollout": "SageMaker shifts the traffic of instances only",
    "shadow": "SageMaker copies the requests of instances only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How the server in the container works.

    Attributes:
        workers: Processes, each of which holds the model. If omitted, one for each core.
        store_budget_milliseconds: What a read of the online store may take; then the response is
            given without, and says that it is degraded.
        state_cache_seconds: For how long a state that was read is used again; 0 reads it anew for
            each request.
    """

    workers: int | None = None
    store_budget_milliseconds: int = 100
    state_cache_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(
                f"workers must be at least 1, got {self.workers}; leave it out for one a core"
            )
        if self.store_budget_milliseconds < 1:
            raise ValueError(
                "store_budget_milliseconds must be at least 1, got "
                f"{self.store_budget_milliseconds}; give what a caller can wait for"
            )
        if not 0 <= self.state_cache_seconds <= LONGEST_CACHE_SECONDS:
            raise ValueError(
                f"state_cache_seconds must be between 0 and {LONGEST_CACHE_SECONDS:g}, got "
                f"{self.state_cache_seconds}; use 0 to read each state anew"
            )

    def variables(self) -> dict[str, str]:
        """The container's environment variables."""
        variables = {
            "SERVE_STORE_BUDGET_MILLISECONDS": str(self.store_budget_milliseconds),
            "SERVE_STATE_CACHE_SECONDS": f"{self.state_cache_seconds:g}",
        }
        if self.workers is not None:
            variables["SERVE_WORKERS"] = str(self.workers)
        return variables


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """The endpoint's compute, how it grows, how it changes, and when a version is unhealthy.

    EndpointConfig(scaling=ScalingConfig(min_instances=2, max_instances=10), shadow=ShadowConfig())
    EndpointConfig(serverless=ServerlessConfig(memory_mb=2048))

    Attributes:
        instance_type: Instance of the fleet. To change it, deregister the scaled variant first:
            SageMaker refuses to update a registered variant's instance type.
        scaling: Between how many instances the fleet moves, on what load, and at what times.
        rollout: How traffic moves to a new version.
        health: When the endpoint's alarms go off; most also roll a new version back.
        server: How the server in the container works.
        shadow: What a challenger runs on. If omitted, the endpoint cannot have one.
        serverless: Takes the place of instances, and with them of scaling, rollout and shadow;
            nothing is captured then. An endpoint cannot change from instances to serverless.
    """

    instance_type: str = DEFAULT_INSTANCE_TYPE
    scaling: ScalingConfig = field(default_factory=ScalingConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    health: HealthConfig = field(default_factory=HealthConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    shadow: ShadowConfig | None = None
    serverless: ServerlessConfig | None = None

    def __post_init__(self) -> None:
        check_instance_type("instance_type", self.instance_type, example=DEFAULT_INSTANCE_TYPE)
        if self.serverless is not None:
            self._check_serverless()
        else:
            self._check_fleet()

    def _check_serverless(self) -> None:
        plain = {
            "instance_type": DEFAULT_INSTANCE_TYPE,
            "scaling": ScalingConfig(),
            "rollout": RolloutConfig(),
            "shadow": None,
        }
        for name, reason in NOT_SERVERLESS.items():
            value = getattr(self, name)
            if value != plain[name]:
                raise ValueError(
                    f"{name} must be left out with serverless, got {value}; {reason}: leave out "
                    f"{name}, or use instances by leaving out serverless"
                )

    def _check_fleet(self) -> None:
        needed = self.rollout.strategy.fewest_instances
        fewest = self.scaling.fewest_instances
        if fewest < needed:
            raise ValueError(
                f"scaling.min_instances must be at least {needed} with {self.rollout.strategy}, "
                f"got {fewest}; a step of the rollout is at least one instance: add instances, or "
                "choose a larger step or AllAtOnce"
            )
