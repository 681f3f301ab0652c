"""Puts everything that ministack lacks into it."""

import importlib.util

from local_aws import adapter, alarms, athena, buckets, delivery, stack_updates, stored_types
from local_aws.settings import Connection, Layout


def install(layout: Layout, connection: Connection) -> None:
    """Check the emulator, then install every extension; once per process."""
    adapter.check_compatibility()
    adapter.accept_loopback_as_secure()
    for extension in (alarms, athena, buckets, delivery, stack_updates, stored_types):
        extension.install()
    if importlib.util.find_spec("local_aws.sagemaker") is not None:
        from local_aws import sagemaker  # noqa: PLC0415

        if hasattr(sagemaker, "install"):
            sagemaker.install(layout.root, connection.endpoint_url)
