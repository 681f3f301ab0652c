"""The probes: each asks an account one question or a few, and reads the answer."""

from operations.smoke.probes import (  # noqa: F401 - each registers its probes
    endpoints,
    events,
    packages,
    requests,
    roles,
    stacked,
    transforms,
)
from operations.smoke.probes.probe import PROBES

__all__ = ["PROBES"]
