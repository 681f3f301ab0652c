"""Archives of models: the same content gives the same bytes, and comes out as it went in."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.data import pack, split, unpack
from local_aws.sagemaker.errors import ServiceError

NAMES = st.text(alphabet="abc", min_size=1, max_size=3)


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=5))
def test_archives_depend_on_their_content_only(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    archives = []
    for order, age in ((sorted(files), 1), (sorted(files, reverse=True), 10**9)):
        folder = tmp_path_factory.mktemp("model")
        for name in order:
            path = folder / "content" / name / "file"
            path.parent.mkdir(parents=True)
            path.write_bytes(files[name])
            os.utime(path, (age, age))
        archive = folder / "model.tar.gz"
        (folder / "content").mkdir(exist_ok=True)
        pack(folder / "content", archive)
        archives.append(archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()

    target = archives[0].parent / "unpacked"
    unpack(archives[0], target)
    found = {path.parent.name: path.read_bytes() for path in target.rglob("file")}
    assert found == files


def test_addresses_are_taken_apart() -> None:
    assert split("s3://bucket/a/b#c") == ("bucket", "a/b#c")
    assert split("s3://bucket") == ("bucket", "")
    with pytest.raises(ServiceError, match="S3Uri must be an address like s3://bucket/prefix"):
        split("https://bucket/a")
