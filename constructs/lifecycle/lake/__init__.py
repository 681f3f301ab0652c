"""Stage 1: the buckets, their key and their catalog."""

from lifecycle.lake.catalog import Catalog, CatalogConfig
from lifecycle.lake.data_lake import DataLake, DataLakeConfig

__all__ = ["Catalog", "CatalogConfig", "DataLake", "DataLakeConfig"]
