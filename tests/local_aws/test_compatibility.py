import pytest

from local_aws.adapter import compatibility
from local_aws.adapter.compatibility import IncompatibleEmulatorError, check_compatibility


def test_the_pinned_version_has_all_internals() -> None:
    check_compatibility()


@pytest.mark.parametrize(
    "internal",
    ["services.eventbridge._gone", "services.gone._name", "app.pin_request_origin(address)"],
)
def test_a_missing_or_changed_internal_is_named(internal: str) -> None:
    with pytest.raises(IncompatibleEmulatorError) as refused:
        check_compatibility(["app.AUTH", internal])
    assert "ministack must be exactly 1.5.33" in str(refused.value)
    assert internal in str(refused.value)
    assert "app.AUTH" not in str(refused.value)


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compatibility, "PINNED_VERSION", "1.5.32")
    with pytest.raises(IncompatibleEmulatorError, match=r"must be exactly 1\.5\.32, got 1\.5\.33"):
        check_compatibility()
