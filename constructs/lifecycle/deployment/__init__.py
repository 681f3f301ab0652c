"""Putting the approved model package in place, and stacks that follow it."""

from lifecycle.deployment.model_deployment import ModelDeployment, PackageContract
from lifecycle.deployment.seeded_parameter import SeededParameter
from lifecycle.deployment.stack_refresh import StackRefresh

__all__ = ["ModelDeployment", "PackageContract", "SeededParameter", "StackRefresh"]
