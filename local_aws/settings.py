"""The settings of an embedded AWS: how it is reached, and how ministack runs."""

import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.layout import Layout

DEFAULT_REGION = "us-east-1"
REGION_VARIABLE = "FRAUDLOOP_REGION"
# Of this process: a server is started with the Region of its state, clients learn it from the
# connection.
REGION = os.environ.get(REGION_VARIABLE, DEFAULT_REGION)
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
# The file of which readings of what AWS leaves open are played, for who starts a server.
BEHAVIOUR_VARIABLE = "FRAUDLOOP_AWS_BEHAVIOUR"
# The file that every authorization decision is appended to; none are if it is empty.
DECISIONS = os.environ.get("FRAUDLOOP_DECISIONS", "")

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How clients reach a server."""

    port: int
    pid: int
    region: str
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
            "region": self.region,
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
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return document if document.keys() >= REQUIRED else None


def region_of(layout: Layout, wanted: str | None) -> str:
    """The Region of a server that is to start: that of its state, else as wanted, else the default.

    Args:
        layout: Its state folder.
        wanted: What was asked for; if omitted, what the environment says.

    Raises:
        ValueError: If there is no such Region, or the state is of another one.
    """
    wanted = os.environ.get(REGION_VARIABLE) if wanted is None else wanted
    known = read_connection(layout)
    if known is not None and wanted not in (None, known["region"]):
        raise ValueError(
            f"region must be {known['region']}, got {wanted}; all ARNs in {layout.root} name it. "
            "Give another --state, or delete this one with `fraudloop down --wipe`"
        )
    region: str = known["region"] if known is not None else wanted or DEFAULT_REGION
    import boto3  # noqa: PLC0415 - it takes longer than starting a verb

    # Of the partition `aws` alone: ARNs and domains of China's and the government's differ.
    regions = boto3.Session().get_available_regions("sagemaker")
    if region not in regions:
        raise ValueError(
            f"region must be one of SageMaker's, got {region!r}: {', '.join(sorted(regions))}"
        )
    return region


def open_connection(layout: Layout, port: int, pid: int) -> Connection:
    """The connection of a server that is starting; credentials last as long as the state does."""
    known = read_connection(layout)
    if known is None:
        key, secret = "AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
    else:
        key, secret = known["access_key_id"], known["secret_access_key"]
    return Connection(
        port=port, pid=pid, region=REGION, access_key_id=key, secret_access_key=secret
    )


def client_environment(connection: Connection) -> dict[str, str]:
    """What AWS SDKs and the CDK CLI need in their environment to use a server."""
    return {
        "AWS_ENDPOINT_URL": connection.endpoint_url,
        "AWS_REGION": connection.region,
        "AWS_DEFAULT_REGION": connection.region,
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
