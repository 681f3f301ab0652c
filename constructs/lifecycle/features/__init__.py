"""Stage 2: the feature groups, online and offline."""

from lifecycle.features.feature_store import FeatureStore, FeatureStoreConfig

__all__ = ["FeatureStore", "FeatureStoreConfig"]
