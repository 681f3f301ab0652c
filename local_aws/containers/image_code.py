"""The code of the project's images, each kept as it was when it was built.

An image's containers run the code that it was built of, whatever the working tree has become since:
a registered model goes on with its own. Its libraries are this project's. While the working tree is
what an image was built of, the image's containers run that, so that nothing is compiled twice; so
do those of an image that was never built here.
"""

import filecmp
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from local_aws.settings import PROJECT_ROOT

__all__ = ["folder_of", "install", "keep"]

_PACKAGE = "pipeline_code"


class _Kept:
    folder: Path | None = None


def install(folder: Path, on_build: Callable[[Callable[[str, bytes], None]], None]) -> None:
    """Keep what is built.

    Args:
        folder: Where to.
        on_build: Takes what is called with the URI and the source's archive of each build.
    """
    _Kept.folder = folder
    on_build(keep)


def keep(uri: str, archive: bytes) -> None:
    """Keep the code of an image, unless it is there: a tag cannot be overwritten."""
    place = _place(uri)
    if place is None or place.exists():
        return
    partial = place.with_name(f"{place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        source.extractall(partial / _PACKAGE)
    _keep_times(partial)
    partial.rename(place)


def folder_of(uri: str | None) -> Path:
    """The folder that holds the package `pipeline_code` of an image."""
    place = None if uri is None else _place(uri)
    if place is None or not place.is_dir() or _is_the_working_tree(place):
        return PROJECT_ROOT
    return place


def _keep_times(kept: Path) -> None:
    """Files of the working tree are as old there, so that machine code of them is not stale."""
    for file in kept.rglob("*.py"):
        own = PROJECT_ROOT / file.relative_to(kept)
        if own.is_file() and filecmp.cmp(file, own, shallow=False):
            shutil.copystat(own, file)


def _place(uri: str) -> Path | None:
    if _Kept.folder is None:
        return None
    return _Kept.folder.joinpath(*uri.partition("/")[2].replace("@", ":").split(":"))


def _is_the_working_tree(place: Path) -> bool:
    """Whether an image's code is what the working tree has; filecmp reads what has changed."""
    files = [
        str(file.relative_to(place))
        for file in place.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    equal, _, _ = filecmp.cmpfiles(place, PROJECT_ROOT, files, shallow=False)
    return len(equal) == len(files)
