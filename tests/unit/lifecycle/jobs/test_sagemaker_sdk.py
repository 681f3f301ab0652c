import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from lifecycle.jobs import sagemaker_sdk as sdk

ROOT = Path(__file__).parents[4]
REQUEST = {"AppSpecification": {"ImageUri": "image"}}

# A laptop with credentials of its own, a broken profile and no network.
IMPORT_ELSEWHERE = """
import os, socket, sys
sys.path[:0] = ["constructs", "."]

def refuse(*_arguments, **_options):
    raise AssertionError("the network was asked")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
os.environ.pop("AWS_DEFAULT_REGION", None)
os.environ["AWS_PROFILE"] = "there-is-none"
os.environ["AWS_REGION"] = "eu-central-1"
before = dict(os.environ)

from lifecycle.jobs import sagemaker_sdk as sdk
import boto3

step = sdk.RequestStep("Do", "Processing", {"A": 1})
print(sdk.compile_definition([sdk.ParameterString("P")], [step]))
assert dict(os.environ) == before, "the environment was not put back"
assert boto3.DEFAULT_SESSION is None, "a session with made-up credentials was left behind"
"""


def step(name: str, **options: Any) -> sdk.RequestStep:
    return sdk.RequestStep(name, "Processing", REQUEST, **options)


def compiled(*steps: Any) -> dict[str, Any]:
    return dict(json.loads(sdk.compile_definition([], list(steps))))


def test_neither_import_nor_compilation_needs_network_region_or_credentials() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS")}
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT_ELSEWHERE],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["Steps"][0]["Name"] == "Do"


def test_compilation_leaves_the_callers_session_alone() -> None:
    mine = boto3.Session(region_name="eu-west-1")
    boto3.DEFAULT_SESSION = mine
    try:
        compiled(step("Do"))
        assert boto3.DEFAULT_SESSION is mine
    finally:
        boto3.DEFAULT_SESSION = None


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
    assert step("Do").output_uri("train").expr == {
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
    (register,) = compiled(sdk.RequestStep("Register", "RegisterModel", {}))["Steps"]
    retried = {kind for policy in register["RetryPolicies"] for kind in policy["ExceptionType"]}
    assert retried == {"Step.SERVICE_FAULT", "Step.THROTTLING"}


def test_steps_that_take_no_request_are_refused() -> None:
    with pytest.raises(ValueError, match=r"step_type must be one of Processing, .* got Fail"):
        sdk.RequestStep("Stop", "Fail", {})


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="duplicate names"):
        compiled(step("Do"), step("Do"))
