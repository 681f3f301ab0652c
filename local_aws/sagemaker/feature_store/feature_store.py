"""Feature Store: groups, records online, and Parquet files offline.

feature_groups.py    the control plane
feature_records.py   the data plane
feature_wire.py      its busiest requests, from bytes to bytes
feature_schema.py    what a group accepts
record_store.py      records on disk
feature_offline.py   records on their way to S3 and Glue
"""

from local_aws.sagemaker.feature_store.wire import FeatureWire


class FeatureStore(FeatureWire):
    """All operations of Feature Store."""
