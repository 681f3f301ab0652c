"""How often each operation on records may be called in a second, by the account's quotas.

SageMaker Developer Guide, "Quotas, naming rules and data types": transactions a second, "per API
per AWS account". A batch is one.
"""

from local_aws.quotas import limits
from local_aws.quotas.rates import Bucket
from local_aws.sagemaker.errors import ServiceError

_GROUP = "/FeatureGroup/"
_BATCHES = {"/BatchGetRecord": "BatchGetRecord", "/BatchWriteRecord": "BatchWriteRecord"}
_METHODS = {"DELETE": "DeleteRecord", "GET": "GetRecord", "PUT": "PutRecord"}


class RecordRates:
    """Refuses calls above their operation's rate; runs on the event loop."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def admit(self, method: str, path: str) -> None:
        """Count a request, if it is one of Feature Store's runtime.

        Raises:
            ServiceError: If there were too many. The runtime's model has no throttling: it is a
                common error of SageMaker's ("Common Errors", 400), in the words that its control
                plane has (datahub #6357).
        """
        operation = _BATCHES.get(path)
        if operation is None:
            if not path.startswith(_GROUP):
                return
            operation = _METHODS.get(method) or _of_post(path)
        bucket = self._buckets.get(operation)
        if bucket is None:
            rate = limits.limit("sagemaker", f"{operation} transactions per second")
            bucket = self._buckets[operation] = Bucket(rate or 0.0)
        if not bucket.take():
            raise ServiceError("ThrottlingException", "Rate exceeded")


def _of_post(path: str) -> str:
    return "ListRecords" if path.endswith("/ListRecords") else "UpdateRecord"
