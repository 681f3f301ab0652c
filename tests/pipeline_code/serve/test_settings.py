"""The server's environment: every setting read, every bad one refused."""

import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.features.store import FeatureGroups
from pipeline_code.serve.metrics import MetricsConfig
from pipeline_code.serve.settings import Settings
from pipeline_code.serve.states import StatesConfig
from pipeline_code.serve.thresholds import Thresholds


def test_nothing_set_means_sagemakers_contract() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)  # noqa: S104


def test_every_setting_is_read() -> None:
    assert Settings.from_environment(
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
            "METRIC_NAMESPACE": "Fraudloop/test",
            "ENDPOINT_NAME": "fraud",
            "SERVE_STORE_TIMEOUT_SECONDS": "0.5",
            "CUSTOMER_FEATURE_GROUP": "c",
            "TERMINAL_FEATURE_GROUP": "t",
            "MODEL_PACKAGE_ARN": "arn",
        }
    ) == Settings(
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
        model_version="arn",
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http", "must be a number, got 'http'"),
        ("SAGEMAKER_BIND_TO_PORT", "0", "must be between 1 and 65535, got 0"),
        ("SAGEMAKER_BIND_TO_PORT", "nan", "must be between 1 and 65535, got nan"),
        ("SERVE_WORKERS", "0", "must be between 1 and 256, got 0"),
        ("SERVE_STORE_READS", "0", "must be between 1 and 256, got 0"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "101", "must be between 1 and 100, got 101"),
        ("SERVE_STORE_TIMEOUT_SECONDS", "0", "must be between 0.01 and 60.0, got 0"),
        ("SERVE_STORE_BUDGET_MILLISECONDS", "0", "must be between 1 and 60000, got 0"),
        ("SERVE_STATE_CACHE_SECONDS", "3.1", "must be between 0 and 3.0, got 3.1"),
        ("REVIEW_THRESHOLD", "1.5", "must be between 0 and 1, got 1.5"),
        ("DECLINE_THRESHOLD", "nan", "must be between 0 and 1, got nan"),
        ("DECLINE_THRESHOLD", "high", "must be a number or none, got 'high'"),
    ],
)
def test_a_bad_number_is_refused(name: str, value: str, reason: str) -> None:
    with pytest.raises(BadInput, match=f"{name} {reason}"):
        Settings.from_environment({name: value})


@pytest.mark.parametrize("name", ["CUSTOMER_FEATURE_GROUP", "TERMINAL_FEATURE_GROUP"])
def test_one_feature_group_alone_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="must be set together"):
        Settings.from_environment({name: "group"})


def test_a_model_that_declines_more_than_it_reviews_is_refused() -> None:
    with pytest.raises(BadInput, match=r"DECLINE_THRESHOLD must be at least REVIEW_THRESHOLD 0\.5"):
        Settings.from_environment({"REVIEW_THRESHOLD": "0.5", "DECLINE_THRESHOLD": "0.4"})


def test_metrics_need_an_endpoint() -> None:
    with pytest.raises(BadInput, match="ENDPOINT_NAME must be set if METRIC_NAMESPACE is"):
        Settings.from_environment({"METRIC_NAMESPACE": "Fraudloop/test"})


def test_batch_transform_is_no_traffic_of_the_endpoint() -> None:
    environment = {"METRIC_NAMESPACE": "n", "ENDPOINT_NAME": "e", "SAGEMAKER_BATCH": "true"}
    assert Settings.from_environment(environment).metrics is None
