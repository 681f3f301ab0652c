"""The image that `make image` built, and a lake, made once by each place."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.places import PROJECT, Image, Place, WorkingTree, run

STORE = Path(os.environ.get("IMAGE_STORE", PROJECT / "build" / "image"))
# Nobody's on this machine, as Lambda's are.
OTHER_USER = 54_321


@pytest.fixture(scope="session")
def image() -> Image:
    inspected = STORE / "inspected.json"  # the last thing that is written
    if not inspected.is_file():
        pytest.skip(f"there is no image in {STORE}: make image")
    if os.geteuid() != 0:
        pytest.skip("to enter an image is root's: sudo .venv/bin/python -m pytest -m image")
    told = json.loads(inspected.read_text())  # by Docker, or by buildah
    config = told[0]["Config"] if isinstance(told, list) else told["OCIv1"]["config"]
    return Image(STORE / "rootfs", config, OTHER_USER)


@pytest.fixture(scope="session")
def places(image: Image) -> dict[str, Place]:
    return {"tree": WorkingTree(), "image": image}


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are the caller's alone."""
    path = STORE / "tests"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def lake(places: dict[str, Place], folder: Path) -> Path:
    """Made in the working tree."""
    ml = folder / "lake"
    ml.mkdir()
    simulate(places["tree"], ml, ml / "lake")
    return ml / "lake"


def simulate(place: Place, ml: Path, output: Path) -> None:
    days = ("--start", "2018-04-01", "--days", "40", "--customers", "150", "--terminals", "300")
    arguments = ("-m", "pipeline_code", "simulate", *days, "--output", str(output))
    run(place, arguments, ml, {})
