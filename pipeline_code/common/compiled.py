"""Compiles the kernels to machine code once a machine; `kernel_cache` says where it is stored.

Compiling takes seconds, loading what was compiled milliseconds. The image is built with everything
compiled (`python -m pipeline_code.common.compiled`), for any processor of its architecture.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import UserProvidedCacheLocator

from pipeline_code.common.kernel_cache import DIGEST, MODULES, PACKAGE, cache

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


class KernelLocator(UserProvidedCacheLocator):  # type: ignore[misc]
    """Where numba stores a kernel, wherever the clone is."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """The module's folder, below the digest's."""
        folder = Path(py_file).resolve().parent.relative_to(PACKAGE)
        return str(Path(DIGEST, folder))


numba.config.CACHE_DIR = str(cache())
numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{KernelLocator.__name__}"


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
