"""Feature Store: groups, records online, and Parquet files offline.

groups.py         the control plane
records.py        the data plane
rates.py          how often it may be asked
wire.py           its busiest requests, from bytes to bytes
schema.py         what a group accepts
record_store.py   records on disk
offline.py        records on their way to S3 and Glue
"""

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.feature_store.rates import RecordRates
from local_aws.sagemaker.feature_store.wire import FeatureWire


class FeatureStore(FeatureWire):
    """All operations of Feature Store."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.admit = RecordRates().admit
