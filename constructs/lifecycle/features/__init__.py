"""Stage 2: the feature groups, online and offline."""

from lifecycle.features.feature_store import FeatureStore, FeatureStoreConfig
from lifecycle.features.store_reads import StoreReads

__all__ = ["FeatureStore", "FeatureStoreConfig", "StoreReads"]
