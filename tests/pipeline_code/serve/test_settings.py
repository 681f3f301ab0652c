"""The server's environment: every setting read, every bad one refused."""

import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.features.store.updating import FeatureGroups
from pipeline_code.serve.metrics import MetricsConfig
from pipeline_code.serve.settings import ServerSettings
from pipeline_code.serve.states import StatesConfig
from pipeline_code.serve.thresholds import Thresholds

DIGEST = "0d" * 32
PACKAGE = {"REVIEW_THRESHOLD": "none", "DECLINE_THRESHOLD": "none", "MODEL_DIGEST": DIGEST}


def read(**environment: str) -> ServerSettings:
    """What the server reads beside what its package says."""
    return ServerSettings.from_environment(PACKAGE | environment)


def test_nothing_set_but_the_package_means_sagemakers_contract() -> None:
    settings = read()
    assert settings == ServerSettings(model_digest=DIGEST)
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)  # noqa: S104


def test_every_setting_is_read() -> None:
    assert ServerSettings.from_environment(
        {
            "SAGEMAKER_BIND_HOST": "127.0.0.1",
            "SAGEMAKER_BIND_TO_PORT": "9000",
            "SERVE_WORKERS": "2",
            "SERVE_STORE_READS": "4",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": "100",
            "SERVE_STORE_BUDGET_MILLISECONDS": "80",
            "SERVE_STATE_CACHE_SECONDS": "0.25",
            "REVIEW_THRESHOLD": "0.25",
            "DECLINE_THRESHOLD": "0.75",
            "MODEL_DIGEST": DIGEST,
            "METRIC_NAMESPACE": "Fraudloop/test",
            "ENDPOINT_NAME": "fraud",
            "SERVE_STORE_TIMEOUT_SECONDS": "0.5",
            "CUSTOMER_FEATURE_GROUP": "c",
            "TERMINAL_FEATURE_GROUP": "t",
            "MODEL_PACKAGE_ARN": "arn",
        }
    ) == ServerSettings(
        host="127.0.0.1",
        port=9000,
        workers=2,
        states=StatesConfig(budget_seconds=0.08, cache_seconds=0.25, reads=4),
        thresholds=Thresholds(review=0.25, decline=0.75),
        metrics=MetricsConfig(
            namespace="Fraudloop/test", endpoint_name="fraud", model_version="arn"
        ),
        max_body_bytes=100 * 1024 * 1024,
        store_timeout_seconds=0.5,
        groups=FeatureGroups(customer="c", terminal="t"),
        model_digest=DIGEST,
        model_version="arn",
    )


@pytest.mark.parametrize("name", PACKAGE)
def test_what_the_package_has_to_say_is_demanded(name: str) -> None:
    with pytest.raises(BadInput, match=f"{name} must be .*, got no"):
        ServerSettings.from_environment({key: PACKAGE[key] for key in PACKAGE if key != name})


@pytest.mark.parametrize("others", [{}, PACKAGE | {"REVIEW_THRESHOLD": "0.1"}])
def test_what_the_stack_spells_counts_whether_or_not_sagemaker_adds_the_packages_own(
    others: dict[str, str],
) -> None:
    # As CreateModel's own variables reach the container in every case.
    spelled = f"arn:fraud/2|image|s3://a/b|0.25|0.75|{'1e' * 32}"
    told = ServerSettings.from_environment({**others, "MODEL_PACKAGE": spelled})
    assert told.thresholds == Thresholds(review=0.25, decline=0.75)
    assert told.model_digest == "1e" * 32
    # A parameter that names a package, and no more, leaves the package's own.
    if others:
        told = ServerSettings.from_environment({**others, "MODEL_PACKAGE": "arn:fraud/2"})
        assert (told.thresholds.review, told.model_digest) == (0.1, DIGEST)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http", "must be a whole number between 1 and 65535, got http"),
        ("SAGEMAKER_BIND_TO_PORT", "0", "must be a whole number between 1 and 65535, got 0"),
        ("SAGEMAKER_BIND_TO_PORT", "nan", "must be a whole number between 1 and 65535, got nan"),
        ("SERVE_WORKERS", "0", "must be a whole number between 1 and 256, got 0"),
        ("SERVE_STORE_READS", "0", "must be a whole number between 1 and 256, got 0"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "101", "must be a whole number between 1 and 100, got 101"),
        ("SERVE_STORE_TIMEOUT_SECONDS", "0", "must be a number between 0.01 and 60.0, got 0"),
        ("SERVE_STORE_BUDGET_MILLISECONDS", "0", "must be a number between 1 and 60000, got 0"),
        ("SERVE_STATE_CACHE_SECONDS", "3.1", "must be a number between 0 and 3.0, got 3.1"),
        ("REVIEW_THRESHOLD", "1.5", "must be between 0 and 1, got 1.5"),
        ("DECLINE_THRESHOLD", "nan", "must be between 0 and 1, got nan"),
        ("DECLINE_THRESHOLD", "high", "must be a number or none, got 'high'"),
    ],
)
def test_a_bad_number_is_refused(name: str, value: str, reason: str) -> None:
    with pytest.raises(BadInput, match=f"{name} {reason}"):
        read(**{name: value})


@pytest.mark.parametrize("name", ["CUSTOMER_FEATURE_GROUP", "TERMINAL_FEATURE_GROUP"])
def test_one_feature_group_alone_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="must be set together"):
        read(**{name: "group"})


def test_a_model_that_declines_more_than_it_reviews_is_refused() -> None:
    with pytest.raises(BadInput, match=r"DECLINE_THRESHOLD must be at least REVIEW_THRESHOLD 0\.5"):
        read(REVIEW_THRESHOLD="0.5", DECLINE_THRESHOLD="0.4")


def test_metrics_need_an_endpoint() -> None:
    with pytest.raises(BadInput, match="ENDPOINT_NAME must be set if METRIC_NAMESPACE is"):
        read(METRIC_NAMESPACE="Fraudloop/test")


def test_batch_transform_is_no_traffic_of_the_endpoint() -> None:
    told = read(METRIC_NAMESPACE="n", ENDPOINT_NAME="e", SAGEMAKER_BATCH="true")
    assert told.metrics is None
