"""The revision of the code that is being deployed."""

import subprocess
from pathlib import Path

from operations.target import PROJECT_ROOT

__all__ = ["code_revision"]


def code_revision(root: Path = PROJECT_ROOT) -> str | None:
    """What `git describe` calls the work tree at a folder, such as `v1.2-3-g0123abc-dirty`.

    None if it is not under version control, as in an unpacked archive, or git is not installed: a
    deployment needs neither.
    """
    # An archive unpacked inside another project's work tree is not of that project's revision.
    if _git(root, "ls-files", "--error-unmatch", "app.py") is None:
        return None
    return _git(root, "describe", "--always", "--dirty")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else None
