"""Checkpoints while somebody writes them in every way: all get to S3, and whole."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local_aws.sagemaker.data import TransferError
from local_aws.sagemaker.jobs.checkpoints import CheckpointSync
from tests.local_aws.sagemaker.conftest import unique

DIGEST = 64  # characters of a hash at the beginning of each file


@pytest.fixture
def versions(client: Callable[[str], Any]) -> str:
    """A bucket that keeps every version of its objects."""
    name, s3 = unique("versions"), client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def content(seed: int) -> bytes:
    """Bytes that say whether they are all there."""
    body = np.random.default_rng(seed).bytes(seed % 5000)
    return hashlib.sha256(body).hexdigest().encode() + body


def is_whole(found: bytes) -> bool:
    return hashlib.sha256(found[DIGEST:]).hexdigest().encode() == found[:DIGEST]


def write_for_a_while(folder: Path, seed: int, seconds: float) -> set[str]:
    """Write files at once, by parts and by replacement, and delete some; the names ever used."""
    chance, names, end = np.random.default_rng(seed), set(), time.monotonic() + seconds
    while time.monotonic() < end:
        name = f"{chance.choice(['a', 'b'])}/{chance.integers(4)}"
        file, whole = folder / name, content(int(chance.integers(1 << 30)))
        file.parent.mkdir(parents=True, exist_ok=True)
        way = chance.choice(["replace", "replace", "parts", "delete"])
        if way == "replace":
            aside = folder / "aside"
            aside.write_bytes(whole)
            aside.rename(file)
        elif way == "parts":
            with file.open("wb") as target:
                for start in range(0, len(whole), 2000):
                    target.write(whole[start : start + 2000])
                    target.flush()
                    time.sleep(0.02)
        else:
            file.unlink(missing_ok=True)
            continue
        names.add(name)
        time.sleep(float(chance.choice([0, 0, 0.02, 1.2])))
    return names


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_copied_is_whole(
    client: Callable[[str], Any], versions: str, tmp_path: Path, seed: int
) -> None:
    s3, folder = client("s3"), tmp_path / "checkpoints"
    folder.mkdir()
    uri, staging = f"s3://{versions}/job/", tmp_path / "staging"
    sync = CheckpointSync(s3, uri, [folder], staging, period_seconds=1.0)
    sync.start()
    names = write_for_a_while(folder, seed, 5.0)
    before = s3.list_object_versions(Bucket=versions).get("Versions", [])
    assert before, "nothing was copied while it was written"
    sync.finish(copy_rest=True)

    kept = s3.list_object_versions(Bucket=versions)["Versions"]
    assert {item["Key"] for item in kept} <= {"job/aside"} | {f"job/{name}" for name in names}
    for item in kept:
        version = {"Key": item["Key"], "VersionId": item["VersionId"]}
        assert is_whole(s3.get_object(Bucket=versions, **version)["Body"].read()), item["Key"]
    left = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    for name, path in left.items():
        if path.is_file():
            found = s3.get_object(Bucket=versions, Key=f"job/{name}")["Body"].read()
            assert found == path.read_bytes()

    again = tmp_path / "again"
    fresh = CheckpointSync(s3, uri, [again], staging)
    fresh.download()
    fresh.start()
    fresh.finish(copy_rest=True)
    assert {path.name for path in again.rglob("*")} >= {Path(name).name for name in left}
    after = s3.list_object_versions(Bucket=versions)["Versions"]
    assert len(after) == len(kept), "what came from S3 was copied back"


def test_what_cannot_be_copied_is_an_error(client: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/1").write_text("1")
    sync = CheckpointSync(
        client("s3"), "s3://no-such-bucket/job/", [tmp_path / "checkpoints"], tmp_path / "staging"
    )
    sync.start()
    with pytest.raises(TransferError, match="Failed to copy checkpoints to s3://no-such-bucket"):
        sync.finish(copy_rest=True)
