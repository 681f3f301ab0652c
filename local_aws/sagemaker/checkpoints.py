"""Checkpoints of training jobs: brought from S3 before the start, copied to S3 while they run."""

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker import data

_PERIOD_SECONDS = 1.0

State = tuple[int, int, int]


class CheckpointSync:
    """Keeps the checkpoint folders of a job's hosts and a prefix in S3 alike.

    Guarantees:
        What is copied while the job runs is a file that nobody wrote to in the last second, read
        as a whole: never half of one.
        A file that is deleted stays in S3, as on AWS.

    Args:
        s3: Client with the job's permissions.
        uri: Prefix in S3, shared by all hosts.
        folders: One for each host.
        staging: File that a checkpoint is copied to first, so that it cannot change meanwhile.
    """

    def __init__(self, s3: Any, uri: str, folders: Sequence[Path], staging: Path) -> None:
        self._s3 = s3
        self._uri = uri
        self._folders = folders
        self._staging = staging
        self._copied: dict[Path, State] = {}
        self._seen: dict[Path, State] = {}
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name="checkpoints")
        self.error: data.TransferError | None = None

    def download(self) -> None:
        """Bring what an earlier run left to every host; there may be nothing.

        Raises:
            TransferError: If it may not be read.
        """
        for folder in self._folders:
            data.download(self._s3, data.S3Folder(uri=self._uri, path=folder), required=False)
            self._copied.update(_files(folder))

    def start(self) -> None:
        """Begin to copy; a failure to is kept in `error`."""
        self._thread.start()

    def finish(self, *, copy_rest: bool) -> None:
        """Stop copying.

        Args:
            copy_rest: Whether to copy first what has changed, however recently. It is not if the
                containers were killed: their instances are gone, with what was not in S3 yet.

        Raises:
            TransferError: If something could not be copied, now or before.
        """
        self._finished.set()
        self._thread.join()
        if self.error is None and copy_rest:
            self._copy(settled=False)
        self._staging.unlink(missing_ok=True)
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        while self.error is None and not self._finished.wait(_PERIOD_SECONDS):
            self._copy(settled=True)

    def _copy(self, *, settled: bool) -> None:
        bucket, prefix = data.split(self._uri)
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        try:
            for folder in self._folders:
                for path, state in _files(folder):
                    if self._copied.get(path) == state:
                        continue
                    if settled and self._seen.get(path) != state:
                        self._seen[path] = state
                    elif self._stage(path, state, settled=settled):
                        key = prefix + path.relative_to(folder).as_posix()
                        target = data.S3Folder(uri=self._uri, path=folder)
                        data.put_file(self._s3, self._staging, bucket, key, target)
                        self._copied[path] = state
        except (ClientError, BotoCoreError, OSError) as error:
            self.error = data.TransferError(
                f"ClientError: Failed to copy checkpoints to {self._uri}: {error}"
            )

    def _stage(self, path: Path, state: State, *, settled: bool) -> bool:
        """Copy a file aside; False if it is gone, or was written to meanwhile."""
        try:
            shutil.copyfile(path, self._staging)
            return not settled or _state(path.stat()) == state
        except FileNotFoundError:
            return False


def _files(folder: Path) -> Iterator[tuple[Path, State]]:
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                yield path, _state(path.stat())
        except FileNotFoundError:
            continue  # deleted or renamed since it was listed


def _state(stat: os.stat_result) -> State:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
