"""The kernels are compiled once: by the image's build, for whoever runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline_code
from pipeline_code.common import compiled as compiled_module

PACKAGE = Path(pipeline_code.__file__).parent
COUNT = """
import importlib, numba
from pipeline_code.common.compiled import MODULES
hits = misses = 0
for name in MODULES:
    for value in vars(importlib.import_module(f"pipeline_code.{name}")).values():
        if isinstance(value, numba.core.registry.CPUDispatcher):
            hits += sum(value.stats.cache_hits.values())
            misses += sum(value.stats.cache_misses.values())
print(hits, misses)
"""


def python(*arguments: str, cache: Path) -> str:
    """Runs with the image's settings of the compiler."""
    settings = {
        "NUMBA_CACHE_DIR": str(cache),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
    }
    environment = os.environ | settings | {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=cache.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_what_the_build_compiled_is_loaded_and_not_compiled_again(tmp_path: Path) -> None:
    python("-m", "pipeline_code.common.compiled", cache=tmp_path / "compiled")
    hits, misses = map(int, python("-c", COUNT, cache=tmp_path / "compiled").split())
    assert hits > 10
    assert misses == 0


def test_every_compiled_module_is_compiled_by_the_build() -> None:
    using = {
        ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        for file in PACKAGE.rglob("*.py")
        if "import compiled\n" in file.read_text(encoding="utf-8")
    }
    assert using == set(compiled_module.MODULES)


def test_the_image_says_where() -> None:
    dockerfile = (PACKAGE / "Dockerfile").read_text(encoding="utf-8")
    assert f"NUMBA_CACHE_DIR={compiled_module.IMAGE_CACHE}" in dockerfile
    assert "&& python -m pipeline_code.common.compiled" in dockerfile


@pytest.mark.parametrize("there", [None, "monitor", "features"])
def test_a_function_whose_image_cannot_be_written_gets_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str | None
) -> None:
    image, wanted = tmp_path / "image", tmp_path / "deep" / "numba"
    for package in ("features", "train"):
        (image / package).mkdir(parents=True)
        (image / package / "index").write_text("compiled")
    if there is not None:  # the folder was mounted, or a process compiled something into it
        (wanted / there).mkdir(parents=True)
        (wanted / there / "index").write_text("its own")
    monkeypatch.setattr(compiled_module, "IMAGE_CACHE", image)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(wanted))
    for _ in range(2):  # a second worker finds it there
        compiled_module._use_the_images_cache()
        found = {folder.name: (folder / "index").read_text() for folder in wanted.iterdir()}
        expected = {"features": "compiled", "train": "compiled"}
        assert found == expected | ({} if there is None else {there: "its own"})


@pytest.mark.parametrize("writable", [True, False])
def test_the_image_itself_is_used_where_it_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    image, temporary = tmp_path / "compiled", tmp_path / "tmp"
    for folder in (image / "features", temporary):
        folder.mkdir(parents=True)
    monkeypatch.setattr(compiled_module, "IMAGE_CACHE", image)
    monkeypatch.setattr(compiled_module.tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(compiled_module.os, "access", lambda *_: writable)  # root may all else
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(image))
    compiled_module._use_the_images_cache()
    copied = temporary / "compiled"
    assert os.environ["NUMBA_CACHE_DIR"] == str(image if writable else copied)
    assert (copied / "features").is_dir() is not writable
