"""The state folder of an embedded AWS: where it keeps what, for its owner alone."""

import contextlib
import fcntl
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# What a group and all others may do with a file, in its mode.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The state folder's files.

    Layout(root=Path(".fraudloop")).connection  # .fraudloop/embedded.json
    """

    root: Path

    @property
    def connection(self) -> Path:
        """How to reach the running server, credentials included (mode 0600)."""
        return self.root / "embedded.json"

    @property
    def quotas(self) -> Path:
        """The account's quotas, where they were given."""
        return self.root / "quotas.json"

    @property
    def behaviour(self) -> Path:
        """Which readings of what AWS leaves open it plays, if it was told any."""
        return self.root / "behaviour.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def objects(self) -> Path:
        """S3's objects as plain files: account/bucket/key."""
        return self.root / "s3"

    @property
    def images(self) -> Path:
        """The code of images that were built: repository/tag."""
        return self.root / "images"

    @property
    def services(self) -> Path:
        """ministack's state, one JSON document a service."""
        return self.root / "state"

    @property
    def server_log(self) -> Path:
        return self.logs / "server.log"

    def lock(self) -> IO[bytes]:
        """Take the folder for this process until the file is closed or the process ends.

        Raises:
            BlockingIOError: If another process has it.
        """
        file = (self.root / "lock").open("ab")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def new_server_log(self) -> Path:
        """The server's log, empty; that of the run before is kept beside it."""
        if self.server_log.exists():
            self.server_log.replace(self.server_log.with_suffix(".previous.log"))
        return self.server_log

    def is_ours(self) -> bool:
        """Whether the folder holds an embedded AWS's state, or nothing at all."""
        return self.connection.exists() or not any(self.root.iterdir())

    def last_log_lines(self, count: int = 15) -> str:
        """The end of the server's log, for error messages."""
        try:
            lines = self.server_log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "it wrote no log"
        return f"{self.server_log} ends with:\n" + "\n".join(lines[-count:])

    def create(self) -> None:
        """Make the folders, and whatever they hold their owner's alone."""
        for folder in (self.root, self.logs, self.temporary, self.objects, self.services):
            folder.mkdir(parents=True, exist_ok=True)
        _tighten(self.root)

    def clear_temporary(self) -> None:
        """Delete what an earlier run left (ministack never deletes the code of its Lambdas)."""
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()


def _tighten(root: Path) -> None:
    """Take from all others what an earlier version, or somebody's umask, let them do."""
    for folder, _, files in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            with contextlib.suppress(FileNotFoundError):
                mode = path.lstat().st_mode
                if mode & _OTHERS and not stat.S_ISLNK(mode):
                    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
