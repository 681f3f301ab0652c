"""The revision that a deployment passes on is the work tree's own, or none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from operations.deployment.revision import code_revision
from operations.deployment.toolchain import synthesize
from operations.errors import OperationError


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("NOT CHECKED: git is missing, so that no deployment from here has a revision")
    (tmp_path / "app.py").write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "app.py")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    assert code_revision(checkout) == git(checkout, "rev-parse", "--short", "HEAD")


def test_a_tag_and_a_changed_file_show(checkout: Path) -> None:
    git(checkout, "tag", "-am", "one", "v1")
    assert code_revision(checkout) == "v1"
    (checkout / "app.py").write_text("2\n")
    assert code_revision(checkout) == "v1-dirty"


def test_an_unpacked_archive_has_none(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("1\n")
    assert code_revision(tmp_path) is None


def test_an_archive_inside_another_work_tree_has_none(checkout: Path) -> None:
    unpacked = checkout / "vendor" / "fraudloop"
    unpacked.mkdir(parents=True)
    (unpacked / "app.py").write_text("1\n")
    assert code_revision(unpacked) is None


def test_without_git_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_revision() is None


def test_a_revision_that_is_none_is_refused_with_the_reason_alone(tmp_path: Path) -> None:
    reason = "^local cannot be synthesized: revision must be 1 to 100 letters, .* got 'no revision'"
    with pytest.raises(OperationError, match=reason) as refused:
        synthesize("local", tmp_path / "cdk.out", revision="no revision")
    assert "\n" not in str(refused.value)
