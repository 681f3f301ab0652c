"""Stage 4: the registry of model packages."""

from lifecycle.registry.model_registry import ModelRegistry

__all__ = ["ModelRegistry"]
