"""Compiles the kernels to machine code once, and keeps the result.

Compiling takes seconds, loading what was compiled milliseconds. On a laptop numba keeps it beside
the source. The image is built with everything compiled (`python -m
pipeline_code.common.compiled`) for any processor of its architecture; where the image cannot be
written to, as in Lambda, a copy is made.
"""

import importlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

__all__ = ["compiled"]

# Where the image's build leaves what it compiled; the Dockerfile says the same.
IMAGE_CACHE = Path("/opt/program/compiled")
MODULES = (
    "features.kernel",
    "features.grouping",
    "features.folding",
    "features.files.packing",
    "features.varints",
    "captures.kernel",
    "captures.number_kernel",
    "monitor.data_quality.sketch_kernel",
    "captures.slot_kernel",
    "captures.words",
    "train.trees.tree_kernel",
)

Function = TypeVar("Function", bound=Callable[..., Any])


def _use_the_images_cache() -> None:
    """Copies what the image brought to where numba looks, if that is elsewhere.

    It has to be where the image cannot be written to, since numba demands a folder that can be,
    even for nothing but reading. The copy may be there already. A package's kernels come whole or
    not at all, as other processes may be copying, and reading, at the same time.
    """
    told = os.environ.get("NUMBA_CACHE_DIR")
    if told is None or not IMAGE_CACHE.is_dir():
        return
    wanted = Path(told)
    if wanted == IMAGE_CACHE:
        if os.access(IMAGE_CACHE, os.W_OK):
            return
        wanted = Path(tempfile.gettempdir(), IMAGE_CACHE.name)
        os.environ["NUMBA_CACHE_DIR"] = str(wanted)
    for package in IMAGE_CACHE.iterdir():
        target = wanted / package.name
        if not target.exists():
            _copy_whole(package, target)


def _copy_whole(folder: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(folder, partial)
    try:
        partial.rename(target)
    except OSError:  # another process was first; what it copied is the same
        shutil.rmtree(partial)


_use_the_images_cache()

# numba reads its settings when it is imported.
import numba  # noqa: E402


def compiled(*signatures: str, inline: bool = False) -> Callable[[Function], Function]:
    """A function as machine code that runs without Python's lock, for these types of arguments.

    With `inline` it becomes part of the functions that call it: a call takes longer than a few
    operations, as an array is seven arguments.
    """

    def decorate(function: Function) -> Function:
        dispatcher = numba.njit(
            list(signatures), cache=True, nogil=True, error_model="numpy", forceinline=inline
        )
        return cast(Function, dispatcher(function))

    return decorate


def main() -> None:
    """Compiles everything there is."""
    for name in MODULES:
        importlib.import_module(f"pipeline_code.{name}")


if __name__ == "__main__":
    main()
