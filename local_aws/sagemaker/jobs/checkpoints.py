"""Checkpoints of training jobs: brought from S3 before the start, copied to S3 while they run."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker import data

_PERIOD_SECONDS = 0.5

State = tuple[int, int, int]


class CheckpointSync:
    """Keeps the checkpoint folders of a job's hosts and a prefix in S3 alike.

    Guarantees:
        What is copied while the job runs is a file that nobody wrote to for a while, read as a
        whole: never half of one.
        A file that is deleted stays in S3, as on AWS.

    Args:
        s3: Client with the job's permissions.
        uri: Prefix in S3, shared by all hosts.
        folders: One for each host.
        staging: File that a checkpoint is copied to first, so that it cannot change meanwhile.
        period_seconds: Between two looks, during which nobody must have written to a file.
    """

    def __init__(
        self,
        s3: Any,
        uri: str,
        folders: Sequence[Path],
        staging: Path,
        *,
        period_seconds: float = _PERIOD_SECONDS,
    ) -> None:
        self._s3 = s3
        self._uri = uri
        self._folders = folders
        self._staging = staging
        self._period_seconds = period_seconds
        self._copied: dict[Path, State] = {}
        self._held: dict[Path, tuple[BinaryIO, State]] = {}
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
        for file, _ in self._held.values():
            file.close()
        if self.error is None and copy_rest:
            self._attempt(self._copy_rest)
        self._staging.unlink(missing_ok=True)
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        while self.error is None and not self._finished.wait(self._period_seconds):
            self._attempt(self._copy_settled)

    def _attempt(self, copy: Callable[[], None]) -> None:
        try:
            copy()
        except (ClientError, BotoCoreError, OSError) as error:
            self.error = data.TransferError(
                f"ClientError: Failed to copy checkpoints to {self._uri}: {error}"
            )

    def _copy_settled(self) -> None:
        """Copy versions of files that nobody has written to since the last look.

        They are held open meanwhile: a checkpoint that is replaced at every round is copied too,
        in a version that was whole when it was replaced.
        """
        for path, (file, state) in list(self._held.items()):
            found = _state(os.fstat(file.fileno()))
            if found != state:
                self._held[path] = file, found
            elif self._stage(file, state):
                del self._held[path]
                with file:
                    self._put(path, state)
        for path, state in self._changed():
            if path not in self._held:
                with suppress(FileNotFoundError):
                    self._held[path] = path.open("rb"), state

    def _copy_rest(self) -> None:
        for path, state in self._changed():
            with suppress(FileNotFoundError), path.open("rb") as file:
                self._stage(file, state)
                self._put(path, state)

    def _changed(self) -> Iterator[tuple[Path, State]]:
        for folder in self._folders:
            for path, state in _files(folder):
                if self._copied.get(path) != state:
                    yield path, state

    def _stage(self, file: BinaryIO, state: State) -> bool:
        """Copy a file aside, so that it cannot change meanwhile; whether it has not already."""
        file.seek(0)
        with self._staging.open("wb") as aside:
            shutil.copyfileobj(file, aside, 1 << 20)
        return _state(os.fstat(file.fileno())) == state

    def _put(self, path: Path, state: State) -> None:
        folder = next(folder for folder in self._folders if path.is_relative_to(folder))
        bucket, prefix = data.split(self._uri)
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        key = prefix + path.relative_to(folder).as_posix()
        data.put_file(
            self._s3, self._staging, bucket, key, data.S3Folder(uri=self._uri, path=folder)
        )
        self._copied[path] = state


def _files(folder: Path) -> Iterator[tuple[Path, State]]:
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                yield path, _state(path.stat())
        except FileNotFoundError:
            continue  # deleted or renamed since it was listed


def _state(stat: os.stat_result) -> State:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
