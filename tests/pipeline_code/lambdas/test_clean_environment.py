"""Every handler imports with nothing but what Lambda gives it and what ships with it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle.functions.lambda_function import ship

from .conftest import LAMBDAS

# Those of the image have its libraries (tests/pipeline_code/common/test_image.py).
IN_THE_IMAGE = {"fold_customers", "fold_terminals", "land_events"}
HANDLERS = sorted({path.parent.name for path in LAMBDAS.glob("*/handler.py")} - IN_THE_IMAGE)
# boto3 as Lambda's runtime has it, with what it is made of.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
SERVICES = ("cloudformation", "codebuild", "ecr", "s3", "sagemaker", "sqs", "ssm", "sts")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


def run(program: str, *places: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += sys.argv[1:]; {program}"]
    return subprocess.run(
        [*command, *map(str, places)],
        env={"AWS_DEFAULT_REGION": "us-east-1", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def shipped(name: str, folder: Path) -> Path:
    ship(name, folder)
    return folder


def test_the_handlers_are_found() -> None:
    assert {"build_image", "deploy_model", "retrain", "seed_parameter"} <= set(HANDLERS)


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_imports_alone(name: str, tmp_path: Path, runtime: Path) -> None:
    result = run(
        f"import {name}.handler; print(callable({name}.handler.handler))",
        shipped(name, tmp_path),
        runtime,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "True"


def test_the_environment_is_as_bare_as_lambdas(runtime: Path) -> None:
    for name in ("numpy", "pyarrow", "pydantic", "pipeline_code", "requests"):
        assert f"No module named '{name}'" in run(f"import {name}", runtime).stderr


def test_the_runtime_can_make_every_client_that_is_used(runtime: Path) -> None:
    name = "boto3.client(name).meta.service_model.service_name"
    program = f"import boto3; print(*[{name} for name in {SERVICES}])"
    result = run(program, runtime)
    assert result.stdout.split() == list(SERVICES), result.stderr
