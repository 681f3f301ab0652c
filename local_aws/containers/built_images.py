"""The code of images: what their build was given, or the working tree, if that is the same.

Nothing is built. An image of a release that is not the working tree's runs its own code all the
same, by this machine's libraries.
"""

import io
import logging
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from local_aws import adapter
from local_aws.settings import PROJECT_ROOT

# What the image's build copies to `/opt/program`: the folder that its source is.
CODE = "pipeline_code"
# What a tag may be called (ECR API reference, ImageIdentifier).
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_LOG = logging.getLogger("fraudloop")
_folders: list[Path] = []


def install(state: Path) -> None:
    """Keep what is built below a state folder."""
    _folders[:] = [state / "images"]
    adapter.after_build(keep)


def keep(variables: Mapping[str, str], source: bytes) -> None:
    """Note the code of the image that a build has pushed.

    Args:
        variables: The build's; IMAGE_TAG and REPOSITORY_URI are those of one that pushes.
        source: The archive of what it was given.
    """
    tag = variables.get("IMAGE_TAG", "")
    if "REPOSITORY_URI" not in variables or not _TAG.fullmatch(tag):
        return
    folder = _folder(tag) / CODE
    shutil.rmtree(folder.parent, ignore_errors=True)
    try:
        with zipfile.ZipFile(io.BytesIO(source)) as archive:
            if not _is_working_tree(archive):
                archive.extractall(folder)
                _keep_times(folder)
    except zipfile.BadZipFile as error:
        _LOG.warning("image %s: its source cannot be read: %s", tag, error)


def program(image: str | None) -> Path:
    """The folder with an image's code, which is at `/opt/program` in its containers."""
    tag = (image or "").rpartition("/")[2].partition(":")[2]
    if _folders and _TAG.fullmatch(tag) and _folder(tag).is_dir():
        return _folder(tag)
    return PROJECT_ROOT


def _folder(tag: str) -> Path:
    return _folders[0] / tag


def _is_working_tree(archive: zipfile.ZipFile) -> bool:
    tree = PROJECT_ROOT / CODE
    files = {each.filename for each in archive.infolist() if not each.is_dir()}
    # What the image has none of are functions that ship on their own.
    modules = {str(path.relative_to(tree)) for path in tree.rglob("*.py")}
    more = {name for name in modules - files if not name.startswith("lambdas/")}
    return not more and all(_same(tree / name, archive.read(name)) for name in files)


def _keep_times(folder: Path) -> None:
    """Files as in the working tree are as old, so that kernels compiled of them are not stale."""
    for file in folder.rglob("*.py"):
        there = PROJECT_ROOT / CODE / file.relative_to(folder)
        if _same(there, file.read_bytes()):
            shutil.copystat(there, file)


def _same(file: Path, content: bytes) -> bool:
    return file.is_file() and file.read_bytes() == content
