"""Kinesis' records, and Lambda's event source mappings of them, as AWS runs them.

ministack keeps records in memory, and retries a batch that fails for ever. Here records and what
each consumer has read are in a file, and mappings follow Lambda's rules of failure.
"""

from pathlib import Path

from local_aws import adapter
from local_aws.adapter.functions import mappings
from local_aws.streams import kinesis
from local_aws.streams.coordinator import Coordinator
from local_aws.streams.records import RecordLog

# Of the time that an orderly stop has.
DRAIN_SECONDS = 6.0


def install(state_dir: Path, endpoint_url: str) -> RecordLog:
    """Take records and mappings over from ministack.

    Args:
        state_dir: The embedded AWS's folder.
        endpoint_url: Where the embedded AWS listens.
    """
    log = RecordLog(state_dir / "streams.db")
    coordinator = Coordinator(log, endpoint_url)
    kinesis.install(log)
    mappings.take_over(mappings.Hooks(refusal=coordinator.refusal, complete=coordinator.complete))
    adapter.on_start(coordinator.start)
    adapter.on_stop_requested(lambda: coordinator.stop(DRAIN_SECONDS))
    return log
