"""Versions of the features' schema: what was promised under each may never change."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["SCHEMA_DIGESTS", "SCHEMA_VERSION", "SCHEMA_VERSION_KEY"]

# Of the feature groups that jobs, consumers and models of this code write and read.
SCHEMA_VERSION = "v2"
# Of each version: names, types and definitions of its features, and what a state keeps
# (`pipeline_code.features.schema`). A line stays while anything of its version is deployed.
SCHEMA_DIGESTS: Mapping[str, str] = MappingProxyType({"v2": "6f6ab9b67911a509"})
# Key of a feature file's Parquet metadata that names the version its rows follow.
SCHEMA_VERSION_KEY = b"feature_schema_version"
