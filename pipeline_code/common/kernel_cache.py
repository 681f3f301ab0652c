"""The cache of the kernels' machine code: a folder named by a digest of their sources.

numba looks at a function's own file alone, while a kernel holds others' code and constants, too. On
a laptop the folders are in the user's cache, for all clones; in the image they are below
`IMAGE_CACHE`, and copied where that cannot be written to, as in Lambda.
"""

import hashlib
import os
import re
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

__all__ = ["DIGEST", "IMAGE_CACHE", "MODULES", "PACKAGE", "cache", "user_cache"]

# Where the image's build leaves what it compiled; the Dockerfile says the same.
IMAGE_CACHE = Path("/opt/program/compiled")
PACKAGE = Path(__file__).resolve().parents[1]
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
IMPORTED = re.compile(rb"^from pipeline_code\.([\w.]+) import", re.MULTILINE)
# Other clones' kernels are removed from the user's cache when none has used them for so long.
UNUSED_SECONDS = 30 * 86_400


def _digest() -> str:
    """Names what all kernels are made of: their sources, those of the modules that they import,
    whose values they hold as constants, and the compiler."""
    sources: dict[str, bytes] = {}
    waiting = [*MODULES, "common.compiled"]
    while waiting:
        name = waiting.pop()
        file = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
        if name not in sources and file.is_file():
            sources[name] = file.read_bytes()
            waiting += [found.decode() for found in IMPORTED.findall(sources[name])]
    parts = [version(library).encode() for library in ("numba", "llvmlite")]
    for name in sorted(sources):
        parts += [name.encode(), sources[name]]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


DIGEST = _digest()


def user_cache() -> Path:
    """The folder for the kernels of all clones of this machine's user, made if it is missing."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kernels = Path(home, "fraudloop", "kernels")
    # What is loaded from here is executed: it is nobody else's to write.
    kernels.mkdir(mode=0o700, parents=True, exist_ok=True)
    return kernels


def _used(kernels: Path) -> Path:
    """Notes that this clone's are used, and removes those that no clone has used for long."""
    (kernels / DIGEST).mkdir(exist_ok=True)
    os.utime(kernels / DIGEST)
    for folder in kernels.iterdir():
        if folder.stat().st_mtime < time.time() - UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    return kernels


def cache() -> Path:
    """A folder that can be written to, which numba demands even for nothing but reading.

    Where the image's cannot, what it brought is copied; the copy may be there already. A package's
    kernels come whole or not at all, as other processes may be copying, and reading, at once.
    """
    told = os.environ.get("NUMBA_CACHE_DIR")
    wanted = IMAGE_CACHE if told is None else Path(told)
    if not IMAGE_CACHE.is_dir():
        return _used(user_cache()) if told is None else wanted
    if wanted == IMAGE_CACHE:
        if os.access(IMAGE_CACHE, os.W_OK):
            return wanted
        wanted = Path(tempfile.gettempdir(), IMAGE_CACHE.name)
    for package in (IMAGE_CACHE / DIGEST).glob("*"):
        target = wanted / DIGEST / package.name
        if not target.exists():
            _copy_whole(package, target)
    return wanted


def _copy_whole(folder: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(folder, partial)
    try:
        partial.rename(target)
    except OSError:  # another process was first; what it copied is the same
        shutil.rmtree(partial)
