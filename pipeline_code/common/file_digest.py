"""The digest of a folder's files: a model is known by it, packed or unpacked."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pipeline_code.common.exits import BadInput

__all__ = ["DIGEST", "folder_digest", "registered_digest", "require_digest"]

# A model package's variable with the digest of its model's files.
DIGEST = "MODEL_DIGEST"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def folder_digest(folder: Path) -> str:
    """SHA-256, in hex, over the relative name and the SHA-256 of each file below a folder.

    Every file counts, and nothing else does: neither order, times nor owners, nor how an archive
    was packed. SageMaker unpacks a model's archive before a container starts, so that the archive
    itself cannot be hashed there.

    Raises:
        BadInput: There is a link, or something else that is neither file nor folder.
    """
    entries = []
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_dir() and not path.is_symlink():
                continue
            if path.is_symlink() or not path.is_file():
                raise BadInput(f"a model must be made of files, got {relative!r}, which is none")
            with path.open("rb") as file:
                entries.append([relative, hashlib.file_digest(file, "sha256").hexdigest()])
    # As JSON, no name can look like two entries.
    return hashlib.sha256(json.dumps(sorted(entries)).encode()).hexdigest()


def registered_digest(variables: Mapping[str, str]) -> str:
    """The digest that a model package was registered with, as its variables say it.

    Raises:
        BadInput: They do not.
    """
    digest = variables.get(DIGEST, "")
    if _SHA256.fullmatch(digest) is None:
        raise BadInput(
            f"{DIGEST} must be the SHA-256 that the model package was registered with, got "
            f"{digest or 'none'}; if the package is older than that, train again"
        )
    return digest


def require_digest(folder: Path, expected: str) -> None:
    """Refuse a model whose files are not those that were registered.

    Raises:
        BadInput: One was changed, added or removed.
    """
    found = folder_digest(folder)
    if found != expected:
        raise BadInput(
            f"the model's files must have the digest {expected} that was registered, got {found}; "
            "its archive was overwritten: bring the version back that was judged, or train again"
        )
