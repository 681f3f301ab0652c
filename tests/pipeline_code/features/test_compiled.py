"""The kernels are compiled once: by the image's build for who runs it, on a laptop for all clones.

What was compiled of other sources than those that are there is never run.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import pipeline_code
from pipeline_code.common import kernel_cache

PACKAGE = Path(pipeline_code.__file__).parent
COUNT = """
import importlib, numba
hits = misses = 0
for name in kernel_cache.MODULES:
    for value in vars(importlib.import_module(f"pipeline_code.{name}")).values():
        if isinstance(value, numba.core.registry.CPUDispatcher):
            hits += sum(value.stats.cache_hits.values())
            misses += sum(value.stats.cache_misses.values())
print(hits, misses)
"""
ALL = "from pipeline_code.common import kernel_cache"
# One that holds the code of others: to compile all takes half a minute.
FEW = f"{ALL}; kernel_cache.MODULES = ('captures.words', 'captures.slot_kernel')"
BUILD = "from pipeline_code.common.compiled import main; main()"


def python(code: str, settings: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)} | (settings or {}),
        cwd=PACKAGE.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def test_what_the_build_compiled_is_loaded_and_not_compiled_again(tmp_path: Path) -> None:
    image = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    image["NUMBA_CACHE_DIR"] = str(tmp_path / "compiled")
    python(f"{FEW}; {BUILD}", image)
    hits, misses = map(int, python(f"{FEW}\n{COUNT}", image).split())
    assert hits > 5
    assert misses == 0


def test_every_kernel_is_compiled_once_a_machine() -> None:
    python(f"{ALL}; {BUILD}")
    hits, misses = map(int, python(f"{ALL}\n{COUNT}").split())
    assert hits > 10
    assert misses == 0


def test_every_kernel_cache_is_compiled_by_the_build() -> None:
    using = {
        ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        for file in PACKAGE.rglob("*.py")
        if "import compiled\n" in file.read_text(encoding="utf-8")
    }
    assert using == set(kernel_cache.MODULES)


def test_the_image_says_where() -> None:
    dockerfile = (PACKAGE / "Dockerfile").read_text(encoding="utf-8")
    assert f"NUMBA_CACHE_DIR={kernel_cache.IMAGE_CACHE}" in dockerfile
    assert "&& python -m pipeline_code.common.compiled" in dockerfile


INNER = """
from pipeline_code.common.compiled import compiled
@compiled("i8(i8)", inline=True)
def scaled(value):
    return value * FACTOR
"""
OUTER = """
from pipeline_code.common.compiled import compiled
from pipeline_code.features.grouping import scaled
from pipeline_code.features.plan import ADDED
@compiled("i8(i8)")
def result(value):
    return scaled(value) + ADDED
"""
RESULT = """
from pipeline_code.features.kernel import result
print(result(1), sum(result.stats.cache_misses.values()))
"""


def clone(folder: Path, *, factor: int, added: int) -> Path:
    """A project with one kernel, which holds another's code and a plain module's constant."""
    code = folder / "pipeline_code"
    for name, text in {
        "__init__": "",
        "common/__init__": "",
        "common/compiled": (PACKAGE / "common" / "compiled.py").read_text(),
        "common/kernel_cache": (PACKAGE / "common" / "kernel_cache.py").read_text(),
        "features/__init__": "",
        "features/grouping": INNER.replace("FACTOR", str(factor)),
        "features/kernel": OUTER,
        "features/plan": f"ADDED = {added}",
    }.items():
        file = code / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def result_and_misses(project: Path, home: Path) -> tuple[int, int]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": str(project), "XDG_CACHE_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", RESULT],
        env=environment,
        cwd=project,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result, misses = map(int, done.stdout.split())
    return result, misses


def test_another_clone_of_the_same_sources_compiles_nothing(tmp_path: Path) -> None:
    one, two = (clone(tmp_path / name, factor=2, added=10) for name in ("one", "two"))
    assert result_and_misses(one, tmp_path) == (12, 1)
    assert result_and_misses(two, tmp_path) == (12, 0)
    assert not list(tmp_path.rglob("__pycache__/*.nbi"))


@pytest.mark.parametrize(("factor", "added", "expected"), [(3, 10, 13), (2, 20, 22)])
def test_what_a_kernel_holds_of_other_modules_is_never_stale(
    tmp_path: Path, factor: int, added: int, expected: int
) -> None:
    project = clone(tmp_path / "project", factor=2, added=10)
    assert result_and_misses(project, tmp_path) == (12, 1)
    clone(project, factor=factor, added=added)
    assert result_and_misses(project, tmp_path) == (expected, 1)
    clone(project, factor=2, added=10)
    assert result_and_misses(project, tmp_path) == (12, 0)


def test_kernels_that_no_clone_has_used_for_long_are_removed(tmp_path: Path) -> None:
    kernels = tmp_path / "fraudloop" / "kernels"
    for name, age in (("recent", 0), ("old", kernel_cache.UNUSED_SECONDS + 60)):
        (kernels / name / "features").mkdir(parents=True)
        used = time.time() - age
        os.utime(kernels / name, (used, used))
    result_and_misses(clone(tmp_path / "project", factor=2, added=10), tmp_path)
    names = {folder.name for folder in kernels.iterdir()}
    assert "recent" in names
    assert "old" not in names
    assert len(names) == 2


@pytest.mark.parametrize("there", [None, "monitor", "features"])
def test_a_function_whose_image_cannot_be_written_gets_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str | None
) -> None:
    image, wanted = tmp_path / "image", tmp_path / "deep" / "numba"
    brought, copied = image / kernel_cache.DIGEST, wanted / kernel_cache.DIGEST
    for package in ("features", "train"):
        (brought / package).mkdir(parents=True)
        (brought / package / "index").write_text("compiled")
    if there is not None:  # the folder was mounted, or a process compiled something into it
        (copied / there).mkdir(parents=True)
        (copied / there / "index").write_text("its own")
    monkeypatch.setattr(kernel_cache, "IMAGE_CACHE", image)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(wanted))
    for _ in range(2):  # a second worker finds it there
        assert kernel_cache.cache() == wanted
        found = {folder.name: (folder / "index").read_text() for folder in copied.iterdir()}
        expected = {"features": "compiled", "train": "compiled"}
        assert found == expected | ({} if there is None else {there: "its own"})


@pytest.mark.parametrize("writable", [True, False])
def test_the_image_itself_is_used_where_it_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    image, temporary = tmp_path / "compiled", tmp_path / "tmp"
    for folder in (image / kernel_cache.DIGEST / "features", temporary):
        folder.mkdir(parents=True)
    monkeypatch.setattr(kernel_cache, "IMAGE_CACHE", image)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(os, "access", lambda *_: writable)  # root may all else
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(image))
    copied = temporary / "compiled"
    assert kernel_cache.cache() == (image if writable else copied)
    assert (copied / kernel_cache.DIGEST / "features").is_dir() is not writable
