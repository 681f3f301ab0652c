"""Where the embedded AWS keeps what, and with which settings ministack runs."""

import json
import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "000000000000"
HOST = "127.0.0.1"
CHECKPOINT_SECONDS = 10.0

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

    def create(self) -> None:
        """Make the folders; temporary files of an earlier run go."""
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.temporary, ignore_errors=True)
        for folder in (self.logs, self.temporary, self.objects, self.services):
            folder.mkdir(exist_ok=True)


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


def open_connection(layout: Layout, port: int, pid: int) -> Connection:
    """The connection of a server that is starting; credentials last as long as the state does."""
    try:
        known = json.loads(layout.connection.read_text())
        key, secret = known["access_key_id"], known["secret_access_key"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        key, secret = "AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
    return Connection(port=port, pid=pid, access_key_id=key, secret_access_key=secret)


def server_environment(layout: Layout, connection: Connection) -> dict[str, str]:
    """The environment that ministack, and every Lambda and job it starts, runs with."""
    return {
        # ministack
        "GATEWAY_PORT": str(connection.port),
        "BIND_HOST": HOST,
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
        # CDK's own custom resources are Node functions that expect the AWS SDK.
        "NODE_PATH": str(PROJECT_ROOT / "node_modules"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(PROJECT_ROOT),
        # AWS SDKs
        "AWS_ENDPOINT_URL": connection.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": connection.access_key_id,
        "AWS_SECRET_ACCESS_KEY": connection.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
