"""The digest by which a model is known, packed or unpacked."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.packages import DIGEST

__all__ = ["METADATA_FILE", "model_digest", "registered_digest", "require_digest"]

METADATA_FILE = "metadata.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def model_digest(folder: Path) -> str:
    """SHA-256, in hex, of the metadata of the model in a folder.

    The metadata holds the SHA-256 of the one other file that is ever read of a model, and loading
    compares the two (`pipeline_code.train.model`). So the digest stands for the whole model, and
    not for how an archive was packed, which SageMaker unpacks before a container starts, or for
    what else may lie in `/opt/ml/model`.

    Raises:
        BadInput: There is no such file.
    """
    path = folder / METADATA_FILE
    if not path.is_file():
        raise BadInput(f"a model must hold {METADATA_FILE}, got none in {folder}")
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
    """Refuse a model that is not the one that was registered.

    Raises:
        BadInput: Its metadata is another's.
    """
    found = model_digest(folder)
    if found != expected:
        raise BadInput(
            f"the model must have the digest {expected} that was registered, got {found}; its "
            "archive was overwritten: bring the version back that was judged, or train again"
        )
