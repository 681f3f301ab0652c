"""The image holds what the project tests with, and its lock names no registry."""

import re
from pathlib import Path

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import pytest

import pipeline_code
from lifecycle.image.container_image import IMAGE_HANDLERS, NOT_IN_THE_IMAGE
from lifecycle.image.image_build import PROJECT_TARGET, VARIANTS

IMAGE = Path(pipeline_code.__file__).parent
PROJECT = IMAGE.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
DIRECT = {
    "aiohttp",
    "aws-lambda-powertools",
    "awslambdaric",
    "boto3",
    "granian",
    "jinja2",
    "matplotlib",
    "numba",
    "numpy",
    "orjson",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "xgboost-cpu",
}


def pins(file: Path) -> dict[str, str]:
    return dict(PIN.findall(file.read_text()))


def test_the_images_pins_are_the_projects() -> None:
    image, project = pins(IMAGE / "requirements.txt"), pins(PROJECT / "requirements.txt")
    assert set(image) >= DIRECT
    assert {name: project.get(name) for name in image} == image


def test_the_spark_targets_pins_are_the_projects() -> None:
    spark, image = pins(IMAGE / "requirements-spark.txt"), pins(IMAGE / "requirements.txt")
    tested = pins(PROJECT / "requirements-peers.txt")
    assert set(spark) >= {"pandas", "py4j", "pyspark"}
    assert {name: tested.get(name) for name in spark} == spark
    # Whatever they need is there: in this file, or in the image already.
    assert not {name for name in tested if name not in spark} - set(image)


def test_the_cuda_target_has_the_images_xgboost_and_no_other_change() -> None:
    cuda, image = pins(IMAGE / "requirements-cuda.txt"), pins(IMAGE / "requirements.txt")
    assert cuda["xgboost"] == image["xgboost-cpu"]
    added = {"nvidia-nccl-cu12", "xgboost"}
    assert {name: version for name, version in cuda.items() if name not in added}.items() <= (
        image.items()
    )
    # Both at once would be two sets of the same files.
    assert "pip uninstall --yes xgboost-cpu" in (IMAGE / "Dockerfile").read_text()


@pytest.mark.parametrize(
    "lock", sorted(IMAGE.glob("requirements*.txt")), ids=lambda lock: lock.stem
)
def test_every_pin_of_the_image_has_hashes(lock: Path) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock)) > 0
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_image_installs_nothing_without_its_hash() -> None:
    commands = (IMAGE / "Dockerfile").read_text().replace("\\\n", "").split("pip install ")[1:]
    assert len(commands) == 4
    assert [
        command for command in commands if "--require-hashes" not in command.split("&&")[0]
    ] == []


def test_the_base_is_named_by_its_full_version() -> None:
    dockerfile = (IMAGE / "Dockerfile").read_text()
    (base,) = re.findall(r"^ARG BASE_IMAGE=(.*)$", dockerfile, re.MULTILINE)
    assert re.fullmatch(r"[\w./]+/python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_adds_what_its_requirements_name(variant: str) -> None:
    stage = (IMAGE / "Dockerfile").read_text().split(f" AS {variant}\n")[1].split("FROM ")[0]
    assert re.search(rf"^COPY .*\brequirements-{variant}\.txt ", stage, re.MULTILINE)
    assert (IMAGE / f"requirements-{variant}.txt").is_file()
    ignored = (IMAGE / ".dockerignore").read_text().split()
    assert f"requirements-{variant}.txt" not in {*ignored, *NOT_IN_THE_IMAGE}


def test_the_dockerfile_has_the_targets_that_are_built() -> None:
    lines = (IMAGE / "Dockerfile").read_text().splitlines()
    stages = [line for line in lines if line.startswith("FROM ")]
    assert stages == [
        f"FROM ${{BASE_IMAGE}} AS {PROJECT_TARGET}",
        *(f"FROM {PROJECT_TARGET} AS {variant}" for variant in VARIANTS),
        f"FROM {PROJECT_TARGET}",  # what Docker builds if it is told none
    ]


def test_the_direct_dependencies_have_the_projects_bounds() -> None:
    def lines(file: Path) -> set[str]:
        return {line for line in file.read_text().splitlines() if line and line[0] != "#"}

    image = lines(IMAGE / "requirements.in")
    assert {re.split(r"[<>=]", line, maxsplit=1)[0] for line in image} == DIRECT
    assert image <= lines(PROJECT / "requirements.in")


@pytest.mark.parametrize(
    "lock",
    [
        *sorted(IMAGE.glob("requirements*.txt")),
        PROJECT / "requirements.txt",
        PROJECT / "requirements-peers.txt",
    ],
    ids=lambda lock: str(lock.relative_to(PROJECT)),
)
def test_no_lock_records_a_registry(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    # Nor an option, which is how a lock file would name one.
    assert [line for line in text.splitlines() if line.startswith("-")] == []


def test_the_image_holds_the_lambdas_that_run_it_and_no_other() -> None:
    lines = (IMAGE / ".dockerignore").read_text().split()
    assert "lambdas/*" in lines
    kept = {line.removeprefix("!lambdas/") for line in lines if line.startswith("!lambdas/")}
    assert kept == set(IMAGE_HANDLERS)
    assert set(NOT_IN_THE_IMAGE) >= {"lambdas/*", *(f"!lambdas/{name}" for name in kept)}


def test_the_images_lambdas_are_those_that_import_the_projects_code() -> None:
    handlers = (IMAGE / "lambdas").glob("*/handler.py")
    # The contracts ship with every function.
    more = re.compile(r"pipeline_code\.(?!contracts)")
    importing = {path.parent.name for path in handlers if more.search(imports(path))}
    assert importing == set(IMAGE_HANDLERS)


def imports(file: Path) -> str:
    return "\n".join(re.findall(r"^(?:from|import) .*$", file.read_text(), re.MULTILINE))
