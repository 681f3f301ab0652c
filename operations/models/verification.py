"""The verification of a lineage: all that it names is still there, and still the same."""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from operations.models.lineage import Lineage
from operations.target import Target

__all__ = ["verify"]

_AT_ONCE = 16
_PIECE = 1 << 20
_GONE = frozenset({"400", "403", "404", "NoSuchKey", "NoSuchVersion", "NotFound"})


def verify(target: Target, found: Lineage) -> dict[str, Any]:
    """Looks up each object version that was read, and hashes the model's archive.

    Returns: {"passed": bool, "objects": how many were looked up, "problems": [text, ...]}; what was
    not recorded, and so cannot be verified, is a problem too.
    """
    s3 = target.client("s3")
    problems = list(_artifact_problems(s3, found.package))
    objects: list[Mapping[str, Any]] = []
    if found.sources is None:
        problems.append("sources: which objects were read was not recorded")
    else:
        objects = found.sources["objects"]
        check = partial(_object_problem, s3, found.sources["bucket"])
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            problems += [each for each in pool.map(check, objects) if each is not None]
    return {"passed": not problems, "objects": len(objects), "problems": problems}


def _artifact_problems(s3: Any, package: Mapping[str, Any]) -> Iterator[str]:
    uri, expected = package["artifact"], package["metadata"].get("model_sha256")
    if uri is None or expected is None:
        yield "artifact: its SHA-256 was not recorded"
        return
    location = urlsplit(uri)
    try:
        found = s3.get_object(Bucket=location.netloc, Key=location.path.lstrip("/"))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        yield f"artifact {uri}: {error.response['Error']['Code']}"
        return
    digest = hashlib.sha256()
    for piece in found["Body"].iter_chunks(_PIECE):
        digest.update(piece)
    if digest.hexdigest() != expected:
        yield f"artifact {uri}: SHA-256 must be {expected}, got {digest.hexdigest()}"


def _object_problem(s3: Any, bucket: str, source: Mapping[str, Any]) -> str | None:
    name = f"s3://{bucket}/{source['key']} version {source['version_id']}"
    try:
        head = s3.head_object(Bucket=bucket, Key=source["key"], VersionId=source["version_id"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        return f"{name}: {error.response['Error']['Code']}"
    found = head["ContentLength"], head["ETag"].strip('"')
    if found != (source["size"], source["etag"]):
        return f"{name}: must be {source['size']} bytes with etag {source['etag']}, got {found}"
    return None
