"""The digest of a model's files."""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.common.file_digest import (
    DIGEST,
    folder_digest,
    registered_digest,
    require_digest,
)

PART = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda name: name not in {".", ".."})
# Folders end in a letter that files do not, so that no name is both.
NAME = st.builds(
    lambda folders, name: "/".join([*(f"{folder}d" for folder in folders), f"{name}f"]),
    st.lists(PART, max_size=2),
    PART,
)
FILES = st.dictionaries(NAME, st.binary(max_size=16), min_size=1, max_size=4)


def digest(files: Mapping[str, bytes]) -> str:
    """The digest of a folder that holds these files, written in their order."""
    with TemporaryDirectory() as folder:
        write(Path(folder), files)
        return folder_digest(Path(folder))


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@given(one=FILES, other=FILES)
def test_folders_have_the_same_digest_if_and_only_if_their_files_are_the_same(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (digest(one) == digest(other)) is (one == other)
    assert digest(dict(reversed(one.items()))) == digest(one)


@given(files=FILES, data=st.data())
def test_any_change_of_a_file_shows(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    content = files[name]
    others = {key: value for key, value in files.items() if key != name}
    changed = [
        others,
        others | {name: content + b"\0"},
        others | {f"{name}f": content},
        files | {f"more/{name}": b""},
    ]
    found = {digest(each) for each in changed if each != files}
    assert len(found) == len([each for each in changed if each != files])
    assert digest(files) not in found


def test_how_the_archive_was_packed_does_not_count(tmp_path: Path) -> None:
    files = {"model.ubj": b"trees", "more/metadata.json": b"{}"}
    for folder, names in (("a", sorted(files)), ("b", sorted(files, reverse=True))):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz" if folder == "a" else "w") as tar:
            for name in names:
                member = tarfile.TarInfo(f"./{name}" if folder == "a" else name)
                member.size, member.mtime = len(files[name]), 7 if folder == "a" else 0
                tar.addfile(member, io.BytesIO(files[name]))
        packed.seek(0)
        with tarfile.open(fileobj=packed) as tar:
            tar.extractall(tmp_path / folder, filter="data")
    # A volume has such a folder; without files it is nothing to load.
    (tmp_path / "b" / "lost+found").mkdir()
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b") == digest(files)


@pytest.mark.parametrize("kind", ["link", "link to a folder", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    model = tmp_path / "model"
    write(model, {"weights": b"1"})
    if kind == "pipe":
        os.mkfifo(model / "odd")
    else:
        (model / "odd").symlink_to(tmp_path if kind == "link to a folder" else "weights")
    with pytest.raises(BadInput, match=r"must be made of files, got 'odd', which is none"):
        folder_digest(model)


def test_a_model_is_what_was_registered_or_refused(tmp_path: Path) -> None:
    write(tmp_path, {"weights": b"1"})
    known = folder_digest(tmp_path)
    require_digest(tmp_path, known)
    write(tmp_path, {"weights": b"2"})
    with pytest.raises(BadInput, match=f"must have the digest {known} that was registered, got"):
        require_digest(tmp_path, known)


@pytest.mark.parametrize("value", ["", "none", "0d" * 31, "0D" * 32, "0d" * 33])
def test_a_package_that_does_not_say_its_digest_is_refused(value: str) -> None:
    assert registered_digest({DIGEST: "0d" * 32}) == "0d" * 32
    for variables in ({DIGEST: value}, {}):
        with pytest.raises(BadInput, match=r"MODEL_DIGEST must be the SHA-256 .* train again"):
            registered_digest(variables)
