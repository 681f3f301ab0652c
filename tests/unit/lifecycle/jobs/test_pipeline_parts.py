import json
from typing import Any

import pytest

from lifecycle.jobs.pipeline_parts import RequestStep, condition_step, definition_text, fail_step

REQUEST = {"AppSpecification": {"ImageUri": "image"}}


def step(name: str, **options: Any) -> RequestStep:
    return RequestStep(name, "Processing", REQUEST, **options)


def compiled(*steps: Any) -> dict[str, Any]:
    return dict(json.loads(definition_text([], list(steps))))


def test_a_definition_has_no_empty_sections() -> None:
    assert set(compiled(step("Do"))) == {"Version", "Metadata", "Parameters", "Steps"}


def test_a_step_is_cached_only_if_it_says_for_how_long() -> None:
    fresh, kept = compiled(step("Fresh"), step("Kept", cache_days=9))["Steps"]
    assert "CacheConfig" not in fresh
    assert kept["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P9D"}


def test_a_step_waits_for_the_steps_it_depends_on() -> None:
    first = step("First")
    assert compiled(first, step("Second", depends_on=[first]))["Steps"][1]["DependsOn"] == ["First"]


def test_an_output_is_referred_to_by_its_name() -> None:
    assert step("Do").output_uri("train") == {
        "Get": "Steps.Do.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"
    }


def test_jobs_are_retried_for_what_passes_by_itself_and_not_for_bad_input() -> None:
    (job,) = compiled(step("Do"))["Steps"]
    retried = {kind for policy in job["RetryPolicies"] for kind in policy["ExceptionType"]}
    assert retried == {
        "Step.SERVICE_FAULT",
        "Step.THROTTLING",
        "SageMaker.JOB_INTERNAL_ERROR",
        "SageMaker.CAPACITY_ERROR",
    }


def test_registering_is_no_job_and_is_retried_only_for_the_service() -> None:
    (register,) = compiled(RequestStep("Register", "RegisterModel", {}))["Steps"]
    retried = {kind for policy in register["RetryPolicies"] for kind in policy["ExceptionType"]}
    assert retried == {"Step.SERVICE_FAULT", "Step.THROTTLING"}


def test_steps_that_take_no_request_are_refused() -> None:
    with pytest.raises(ValueError, match=r"step_type must be one of Processing, .* got Fail"):
        RequestStep("Stop", "Fail", {})  # type: ignore[arg-type]


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"names of steps must be unique, got Do twice"):
        compiled(step("Do"), step("Do"))


def test_two_steps_of_one_name_are_refused_behind_a_gate_too() -> None:
    gate = condition_step("Gate", conditions=[], if_steps=[step("Do")], else_steps=[])
    with pytest.raises(ValueError, match=r"names of steps must be unique, got Do twice"):
        compiled(fail_step("Do", "no"), gate)
