"""Versions of the features' schema: what was promised under each may never change."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from pipeline_code.contracts.packages import UNTOLD_VERSION, schema_version_of

__all__ = [
    "NEWEST_VERSION",
    "SCHEMA_DIGESTS",
    "SCHEMA_VERSION",
    "SCHEMA_VERSIONS",
    "SCHEMA_VERSION_KEY",
    "SCHEMA_VERSION_VARIABLE",
    "UNTOLD_VERSION",
    "version_number",
    "working_version",
]

# Of each version that is alive: names, types and definitions of its features, and what a state
# keeps (`pipeline_code.features.schema`). Oldest first. A line stays while anything of its version
# is deployed: its feature groups are kept up to date as long.
SCHEMA_DIGESTS: Mapping[str, str] = MappingProxyType({"v2": "6f6ab9b67911a509"})
SCHEMA_VERSIONS = tuple(SCHEMA_DIGESTS)
# What is trained.
NEWEST_VERSION = SCHEMA_VERSIONS[-1]
# Says which version a job works by: that of the package whose features it computes or audits.
SCHEMA_VERSION_VARIABLE = "FEATURE_SCHEMA_VERSION"
# Key of a feature file's Parquet metadata that names the version its rows follow.
SCHEMA_VERSION_KEY = b"feature_schema_version"


def version_number(version: str) -> int:
    """version_number("v2")  # 2"""
    return int(version.removeprefix("v"))


def working_version(environment: Mapping[str, str]) -> str:
    """The version that a process of this environment works by: the newest, unless it is told.

    A server is told by what spells its package: another variable would be another model, and
    another deployment, of packages that run.

    Raises:
        ValueError: It is told one that this code has not.
    """
    package = environment.get("MODEL_PACKAGE")
    served = schema_version_of(package) if package else NEWEST_VERSION
    version = environment.get(SCHEMA_VERSION_VARIABLE) or served
    if version not in SCHEMA_VERSIONS:
        raise ValueError(
            f"{SCHEMA_VERSION_VARIABLE} must be one of {', '.join(SCHEMA_VERSIONS)}, got "
            f"{version}; run code whose SCHEMA_DIGESTS still have it"
        )
    return version


# Synthesis does not read it: the same input gives the same template, whatever a shell has set.
SCHEMA_VERSION = working_version(os.environ)
