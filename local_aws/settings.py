"""Where the embedded AWS keeps what, and with which settings ministack runs."""

import fcntl
import json
import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

REGION = "us-east-1"
ACCOUNT = "000000000000"
HOST = "127.0.0.1"
DEFAULT_PORT = 4600
CHECKPOINT_SECONDS = float(os.environ.get("FRAUDLOOP_CHECKPOINT_SECONDS", "10"))


def _whole_seconds(variable: str, *, default: int) -> int:
    """A setting of the process's environment: one second or more."""
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"{variable} must be a whole number of seconds, got {text}; AWS has {default}"
        )
    return int(text)


# One period of Auto Scaling's alarms: a minute on AWS. Shorter ones make everything that is
# measured in such periods as much quicker: 3 to scale out, 15 to scale in, and the cool-downs.
SCALING_PERIOD_SECONDS = _whole_seconds("FRAUDLOOP_SCALING_PERIOD_SECONDS", default=60)
# How long a serverless endpoint keeps a server that nobody asks; AWS does not say.
SERVERLESS_IDLE_SECONDS = float(os.environ.get("FRAUDLOOP_SERVERLESS_IDLE_SECONDS", "300"))

PROJECT_ROOT = Path(__file__).resolve().parent.parent


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
        """Make the folders."""
        for folder in (self.root, self.logs, self.temporary, self.objects, self.services):
            folder.mkdir(parents=True, exist_ok=True)

    def clear_temporary(self) -> None:
        """Delete what an earlier run left (ministack never deletes the code of its Lambdas)."""
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How clients reach a server."""

    port: int
    pid: int
    access_key_id: str
    secret_access_key: str

    @property
    def endpoint_url(self) -> str:
        # The address and not "localhost": with it, S3's clients keep the bucket in the path.
        return f"http://{HOST}:{self.port}"

    def document(self) -> dict[str, str | int]:
        """What `embedded.json` holds."""
        return {
            "port": self.port,
            "pid": self.pid,
            "endpoint_url": self.endpoint_url,
            "region": REGION,
            "account": ACCOUNT,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
        }

    def write(self, path: Path) -> None:
        """Write the document so that only its owner can read it."""
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(self.document(), file, indent=2)
        temporary.replace(path)


REQUIRED = {"port", "pid", "endpoint_url", "region", "access_key_id", "secret_access_key"}


def read_connection(layout: Layout) -> dict[str, Any] | None:
    """The connection document as last written, if there is one."""
    try:
        document: dict[str, Any] = json.loads(layout.connection.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return document if document.keys() >= REQUIRED else None


def open_connection(layout: Layout, port: int, pid: int) -> Connection:
    """The connection of a server that is starting; credentials last as long as the state does."""
    known = read_connection(layout)
    if known is None:
        key, secret = "AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
    else:
        key, secret = known["access_key_id"], known["secret_access_key"]
    return Connection(port=port, pid=pid, access_key_id=key, secret_access_key=secret)


def client_environment(connection: Connection) -> dict[str, str]:
    """What AWS SDKs and the CDK CLI need in their environment to use a server."""
    return {
        "AWS_ENDPOINT_URL": connection.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": connection.access_key_id,
        "AWS_SECRET_ACCESS_KEY": connection.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        # The user's own profiles must never reach the embedded AWS, nor its calls their account.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        # CDK's own custom resources are Node functions that expect the AWS SDK.
        "NODE_PATH": str(PROJECT_ROOT / "node_modules"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


def server_environment(layout: Layout, connection: Connection) -> dict[str, str]:
    """The environment that ministack, and every Lambda and job it starts, runs with."""
    return client_environment(connection) | {
        # The server's own identity, above IAM; clients have the operator's.
        "AWS_ACCESS_KEY_ID": "ROOT" + secrets.token_hex(8).upper(),
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "GATEWAY_PORT": str(connection.port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "AUTH": "true",
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(layout.objects),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(layout.services),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "TMPDIR": str(layout.temporary),
    }
