"""A release as an upgrade finds it deployed: kept in `releases/`, and taken from there.

    python tests/integration/releasing.py COMMIT VERSION

    assembly.tar.xz   the cloud assembly of `local`: templates, manifests, and the code of its
                      functions and of its image (and one file of aws-cdk-lib, as in any assembly)
    package.tar.xz    the model package that its demo approves first, with all that it names in S3

The same commit gives the same bytes of the assembly; a package is trained anew.
"""

import argparse
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_aws.server import free_port
from operations.target import PROJECT_ROOT, Target

RELEASES = Path(__file__).parent / "releases"
ASSEMBLY, PACKAGE = "assembly.tar.xz", "package.tar.xz"
# What nobody deploys, and is large.
_LEFT_OUT = {"tree.json", "validation-report.json", "__pycache__"}
_REQUEST = "package.json"
_ASKED = ("InferenceSpecification", "CustomerMetadataProperties", "DriftCheckBaselines")
# What differs from account to account.
_BUCKET, _IMAGE = "{bucket}", "{image}"
# Played in the release's own tree.
_PLAYED = """
import json, sys
from pathlib import Path
from operations.models import registry
from operations.target import connect
target = connect("local", profile=None, region=None, state=Path(sys.argv[1]))
found = registry.find(target, "1")
uris = {text for text in json.dumps(found, default=str).split('"') if text.startswith("s3://")}
s3 = target.client("s3")
for uri in uris:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    file = Path(sys.argv[2], "s3", key)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
Path(sys.argv[2], "package.json").write_text(json.dumps(found, default=str))
"""


def main() -> None:
    """Keeps a commit as a release."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("version")
    arguments = parser.parse_args()
    folder = RELEASES / arguments.version
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="release-") as temporary:
        tree = _checked_out(arguments.commit, Path(temporary) / "tree")
        assembly = Path(temporary) / "cdk.out"
        cdk = ["node", "node_modules/aws-cdk/bin/cdk", "synth", "--quiet", "--no-notices"]
        _run(tree, *cdk, "--context", "environment=local", "--output", str(assembly))
        _pack(assembly, folder / ASSEMBLY)
        played = Path(temporary) / "package"
        _play(tree, Path(temporary) / "state", played)
        _portable(played)
        _pack(played, folder / PACKAGE)


def assembly_of(version: str, folder: Path) -> Path:
    """A release's cloud assembly, unpacked to a folder."""
    with tarfile.open(RELEASES / version / ASSEMBLY) as archive:
        archive.extractall(folder, filter="data")
    return folder


def register_package(version: str, target: Target) -> str:
    """Register a release's model package where that release is deployed; returns its ARN."""
    bucket, s3 = target.output("ArtifactsBucketName"), target.client("s3")
    with tarfile.open(RELEASES / version / PACKAGE) as archive:
        files = {each.name: archive.extractfile(each) for each in archive if each.isfile()}
        content = {name: file.read() for name, file in files.items() if file is not None}
    for name, body in content.items():
        if name.startswith("s3/"):
            s3.put_object(Bucket=bucket, Key=name.removeprefix("s3/"), Body=body)
    request = content[_REQUEST].decode()
    request = request.replace(_BUCKET, bucket).replace(_IMAGE, target.output("ImageUri"))
    registered = target.client("sagemaker").create_model_package(
        ModelPackageGroupName=target.output("ModelPackageGroupName"),
        ModelApprovalStatus="PendingManualApproval",
        **json.loads(request),
    )
    return str(registered["ModelPackageArn"])


def _checked_out(commit: str, tree: Path) -> Path:
    tree.mkdir()
    archive = subprocess.run(
        ["git", "archive", commit], cwd=PROJECT_ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tree, filter="data")
    for installed in ("node_modules", ".venv"):
        (tree / installed).symlink_to(PROJECT_ROOT / installed)
    return tree


def _run(tree: Path, *command: str) -> None:
    """Run something with a tree's own code, and this project's libraries."""
    paths = os.pathsep.join([str(tree), str(tree / "constructs")])
    own = str(PROJECT_ROOT / ".venv" / "bin")
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PATH"] = f"{own}:{environment['PATH']}"
    subprocess.run(command, cwd=tree, env=environment, check=True)


def _play(tree: Path, state: Path, folder: Path) -> None:
    fraudloop = (sys.executable, "-m", "operations.cli")
    place, port = ("--state", str(state)), str(free_port())
    folder.mkdir()
    try:
        _run(tree, *fraudloop, "demo", "--customers", "120", "--keep", "--port", port, *place)
        _run(tree, sys.executable, "-c", _PLAYED, str(state), str(folder))
    finally:
        _run(tree, *fraudloop, "down", *place)


def _portable(folder: Path) -> None:
    """Leave of a described package what another account can be asked for."""
    described: Mapping[str, Any] = json.loads((folder / _REQUEST).read_text())
    (container,) = described["InferenceSpecification"]["Containers"]
    bucket = urlsplit(container["ModelDataUrl"]).netloc
    asked = {name: described[name] for name in _ASKED}
    asked["CustomerMetadataProperties"] = {
        name: value
        for name, value in described["CustomerMetadataProperties"].items()
        if not name.startswith("decision_")
    }
    text = json.dumps(asked, indent=1, sort_keys=True)
    text = text.replace(container["Image"], _IMAGE).replace(bucket, _BUCKET)
    (folder / _REQUEST).write_text(text)
    for file in (folder / "s3").rglob("*.html"):
        file.unlink()  # for people


def _pack(folder: Path, archive: Path) -> None:
    """The same files give the same bytes."""
    with (
        lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as files,
    ):
        for path in _files(folder, lambda path: path.name not in _LEFT_OUT):
            member = tarfile.TarInfo(str(path.relative_to(folder)))
            content = path.read_bytes()
            member.size, member.mode = len(content), 0o644
            files.addfile(member, io.BytesIO(content))
    sys.stdout.write(f"{archive}: {archive.stat().st_size / 1024:.0f} KiB\n")


def _files(folder: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if wanted(path):
            yield from _files(path, wanted) if path.is_dir() else [path]


if __name__ == "__main__":
    main()
