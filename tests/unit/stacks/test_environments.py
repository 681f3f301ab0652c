import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.serverless import ServerlessConfig
from lifecycle.features import FeatureStoreConfig, StoreReads
from lifecycle.monitoring.monitoring import MonitoringConfig
from lifecycle.streaming.consumer import ConsumerConfig
from lifecycle.streaming.event_stream import StreamConfig
from stacks.environments import ENVIRONMENTS, Environment, environment_named


def test_there_are_three_environments() -> None:
    assert list(ENVIRONMENTS) == ["local", "dev", "prod"]


def test_an_environment_is_found_by_its_name() -> None:
    assert environment_named("prod") is ENVIRONMENTS["prod"]


def test_an_unknown_name_is_refused_and_told_the_known_ones() -> None:
    known = ", ".join(ENVIRONMENTS)
    with pytest.raises(ValueError, match=f"^environment must be one of {known}, got nowhere; "):
        environment_named("nowhere")


@pytest.mark.parametrize("name", ["", "Dev", "dev-1"])
def test_a_name_that_would_not_fit_every_resource_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name must be lower-case letters and digits, got "):
        Environment(name=name)


def test_only_the_local_environment_may_delete_data() -> None:
    assert [e.name for e in ENVIRONMENTS.values() if e.may_delete_data] == ["local"]


def test_a_person_approves_in_production() -> None:
    assert ENVIRONMENTS["prod"].training.approval_status == "PendingManualApproval"


def test_an_environment_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ENVIRONMENTS["dev"].name = "prod"  # type: ignore[misc]


def test_what_others_type_is_named_after_product_and_environment() -> None:
    environment = Environment(name="test")
    assert environment.resource_name("training") == "fraudloop-test-training"
    assert environment.event_stream_name == "fraudloop-test-events"
    assert environment.terminal_event_stream_name == "fraudloop-test-terminal-events"
    assert environment.training_pipeline_name == "fraudloop-test-training"
    assert environment.batch_pipeline_name == "fraudloop-test-batch-scoring"
    assert environment.model_package_group_name == "fraudloop-test-fraud"
    assert environment.endpoint_name == "fraudloop-test-fraud"
    assert dict(environment.monitor_names) == {
        "data-quality": "fraudloop-test-data-quality",
        "model-quality": "fraudloop-test-model-quality",
        "bias": "fraudloop-test-bias",
        "attribution": "fraudloop-test-attribution",
    }
    assert environment.labels_pipeline_name == "fraudloop-test-labels"
    assert environment.approved_model_parameter_name == "/fraudloop/test/approved-model-package"
    assert environment.challenger_parameter_name == "/fraudloop/test/challenger-model-package"
    assert environment.deployment_state_parameter_name == "/fraudloop/test/deployment-state"
    assert environment.metric_namespace == "fraudloop/test"
    assert environment.database_name == "fraudloop_test"
    assert environment.workgroup_name == "fraudloop-test"
    assert environment.feature_group_name("customer", "v1") == "fraudloop-test-customer-v1"


def test_a_failed_record_outlives_its_last_retry_in_the_stream() -> None:
    with pytest.raises(
        ValueError,
        match=r"^consumers.max_record_age_hours must be less than stream.retention_hours of 24, ",
    ):
        Environment(name="test", stream=StreamConfig(retention_hours=24))


@pytest.mark.parametrize(
    ("shards", "concurrent_batches"), [(15, 1), (16, 1), (5, 3), (None, 4), (None, 3)]
)
def test_folds_that_could_ask_for_more_than_their_share_are_refused(
    shards: int | None, concurrent_batches: int
) -> None:
    stream = StreamConfig(shards=shards)
    consumers = ConsumerConfig(concurrent_batches=concurrent_batches)
    # Ten a second for each batch of two streams, beside a training run's hundred, of 500's 80 %.
    batches = (4 if shards is None else shards) * concurrent_batches
    if 2 * 10 * batches + 100 <= 400:
        Environment(name="test", stream=stream, consumers=consumers)
        return
    with pytest.raises(
        ValueError,
        match=rf"^feature_store.reads must stay within 400 .* got {20 * batches} of the folds, ",
    ):
        Environment(name="test", stream=stream, consumers=consumers)
    more = FeatureStoreConfig(reads=StoreReads(quota=1_000))
    Environment(name="test", stream=stream, consumers=consumers, feature_store=more)


@pytest.mark.parametrize(
    ("field", "value"), [("quota", 0), ("materializing", 0), ("fold", 0), ("background_percent", 0)]
)
def test_no_share_is_nothing(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be .*, got {value}; "):
        StoreReads(**{field: value})


def test_what_is_not_captured_cannot_be_monitored() -> None:
    endpoint = EndpointConfig(serverless=ServerlessConfig())
    with pytest.raises(
        ValueError,
        match=r"^monitoring.engine must be none with endpoint.serverless, got scheduled; ",
    ):
        Environment(name="test", endpoint=endpoint)
    unwatched = MonitoringConfig(engine="none")
    assert not Environment(name="test", endpoint=endpoint, monitoring=unwatched).has_monitoring


def test_every_environment_is_monitored() -> None:
    assert all(environment.has_monitoring for environment in ENVIRONMENTS.values())


def settings(value: Any, path: str = "") -> dict[str, str]:
    """Every setting by its dotted path; of a configuration, its class."""
    if not dataclasses.is_dataclass(value):
        return {path: str(value)}
    found = {path: type(value).__name__}
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        found |= settings(inner, f"{path}.{field.name}" if path else field.name)
    return found


def test_the_documentation_has_their_differences() -> None:
    each = [settings(environment) for environment in ENVIRONMENTS.values()]
    shared = [path for path in each[0] if all(path in found for found in each)]
    differing = {path: tuple(found[path] for found in each) for path in shared[1:]}
    page = (Path(__file__).parents[3] / "docs" / "environments.md").read_text(encoding="utf-8")
    rows = [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith("| `")]
    documented = {name.strip("`"): tuple(values) for name, *values in rows}
    assert documented == {
        path: values for path, values in differing.items() if len({*values}) > 1 and path != "name"
    }
