"""Stage 5: the endpoint that scores transactions as they happen."""

from lifecycle.endpoint.config import VARIANT_NAME, EndpointConfig, ServerConfig
from lifecycle.endpoint.endpoint import SelfDeployingEndpoint
from lifecycle.endpoint.health import HealthConfig, ScoreLimits
from lifecycle.endpoint.rollout import Canary, RolloutConfig
from lifecycle.endpoint.shadow import ShadowConfig

__all__ = [
    "VARIANT_NAME",
    "Canary",
    "EndpointConfig",
    "HealthConfig",
    "RolloutConfig",
    "ScoreLimits",
    "SelfDeployingEndpoint",
    "ServerConfig",
    "ShadowConfig",
]
