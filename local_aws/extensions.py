"""Puts everything that ministack lacks into it."""

from pathlib import Path

from local_aws import (
    adapter,
    alarms,
    athena,
    buckets,
    embedded_metrics,
    firehose,
    keys,
    sagemaker,
    streams,
)
from local_aws.containers import built_images
from local_aws.events import delivery, service_events
from local_aws.functions import creation as function_creation
from local_aws.functions import images as image_functions
from local_aws.functions import invocations, queue_mappings
from local_aws.functions import workers as function_workers
from local_aws.layout import Layout
from local_aws.policies import authorization, passed_roles
from local_aws.quotas import limits
from local_aws.quotas import service as quotas_service
from local_aws.requests import supported
from local_aws.settings import ACCOUNT, DECISIONS, REGION, Connection
from local_aws.stacks import roles as stack_roles
from local_aws.stacks import schemas as stack_schemas
from local_aws.stacks import updates as stack_updates


def install(layout: Layout, connection: Connection) -> None:
    """Check the emulator, then install every extension; once per process."""
    limits.load(layout.quotas)
    adapter.check_compatibility()
    adapter.accept_loopback_as_secure()
    adapter.tell_services_apart()
    adapter.evaluate_as_documented()
    adapter.keep_memory_flat()
    adapter.parse_policies_once()
    adapter.keep_logs()
    adapter.start_builds_once()
    adapter.ask_resource_policies()
    adapter.list_as_documented()
    adapter.enrol_operator(ACCOUNT, REGION, connection.access_key_id, connection.secret_access_key)
    built_images.install(layout.root)
    for extension in (
        alarms,
        athena,
        buckets,
        authorization,
        embedded_metrics,
        function_creation,
        function_workers,
        image_functions,
        invocations,
        keys,
        queue_mappings,
        quotas_service,
        service_events,
        stack_roles,
        stack_updates,
        supported,
    ):
        extension.install()
    sagemaker.install(layout.root, connection.endpoint_url)
    records = streams.install(layout.root, connection.endpoint_url)
    keys.install_late()
    firehose.install(records, connection.endpoint_url)
    # Last, so that its deliveries, with the target's role, retries and dead letters, come first.
    delivery.install()
    passed_roles.install()
    stack_schemas.install()  # once all resource types are known
    if DECISIONS:
        adapter.record_decisions(Path(DECISIONS))
