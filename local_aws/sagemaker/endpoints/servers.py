"""Model servers: processes of the image with the argument `serve`."""

import http.client
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_aws.behaviours.playing import plays
from local_aws.containers import built_images
from local_aws.sagemaker import containers
from local_aws.sagemaker.containers import Container
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.models import ServingContainer
from local_aws.sagemaker.logs import LogStream

HOST = "127.0.0.1"
# Developer Guide, "Use Your Own Inference Code with Hosting Services": SIGTERM, "then it sends the
# SIGKILL signal 30 seconds later"; "the request timeout on /ping attempts is 2 seconds"; a launch
# fails without a healthy one "during the 8 minutes after startup" (4 in the guide of 2023).
GRACE_SECONDS = 30.0
DEFAULT_STARTUP_SECONDS = 480.0
_PING_SECONDS = 2.0
_POLL_SECONDS = 0.05
TRANSFORM_LOGS = "/aws/sagemaker/TransformJobs"


class ServerError(Exception):
    """A server did not come up; the message is the endpoint's failure reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSpec:
    """What the servers of one variant run.

    Args:
        name: The endpoint or transform job.
        variant: The variant.
        container: Image, data, environment and role.
        count: How many servers.
        log_group: Where their output goes.
        startup_seconds: How long one may take until it answers /ping.
        serverless: A serverless variant's ServerlessConfig; None for one of instances.
        instance_type: Such as `ml.m5.large`; None for a serverless variant.
    """

    name: str
    variant: str
    container: ServingContainer
    count: int
    log_group: str
    startup_seconds: float = DEFAULT_STARTUP_SECONDS
    serverless: dict[str, int] | None = None
    instance_type: str | None = None

    def new_stream(self) -> str:
        """A server's log stream: `[variant]/[instance]`, of a transform job
        `[job]/[instance]-[epoch]` (Developer Guide, "Log groups and streams that ... sends").
        """
        instance = uuid.uuid4().hex[:17]
        if self.log_group == TRANSFORM_LOGS:
            return f"{self.name}/{instance}-{int(time.time())}"
        return f"{self.variant}/{instance}"

    def document(self) -> dict[str, Any]:
        """As the store keeps it."""
        return asdict(self)

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "FleetSpec":
        """From what `document` gave."""
        return cls(**{**document, "container": ServingContainer(**document["container"])})


class Server:
    """One process that answers /ping and /invocations on a port of its own."""

    def __init__(self, context: Context, spec: FleetSpec, root: Path) -> None:
        self.spec = spec
        self.port = _free_port()
        self.in_flight = 0  # changed on the event loop only
        self.ready = False
        role, group = spec.container.role_arn, spec.log_group
        self._log = LogStream(context, role, group, spec.new_stream())
        variables = _variables(context, spec, root) | {
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SAGEMAKER_BIND_HOST": HOST,
        }
        arguments = containers.command(None, ["serve"])
        program = built_images.program(spec.container.image)
        disk = containers.Disk(root=root, mounts={"model": False}, program=program)
        self._container = Container(arguments, disk, variables, self._log)

    @property
    def url(self) -> str:
        """Where it takes invocations."""
        return f"http://{HOST}:{self.port}/invocations"

    @property
    def log_stream(self) -> str:
        """Its stream in CloudWatch Logs."""
        return self._log.path.stem

    @property
    def pid(self) -> int:
        """Its process."""
        return self._container.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._container.exit_code is None

    def wait_until_ready(self, stopping: threading.Event) -> None:
        """Wait for its first healthy /ping.

        Raises:
            ServerError: If it ends, or takes too long; with the end of its log.
        """
        deadline = time.monotonic() + self.spec.startup_seconds
        while not self._healthy():
            if not self.alive:
                code = self._container.wait()  # until its last line is read, too
                raise ServerError(self._failure(f"The container ended with code {code}"))
            if time.monotonic() > deadline:
                raise ServerError(self._failure("The container did not pass the ping health check"))
            if stopping.wait(_POLL_SECONDS):
                raise ServerError("The deployment was stopped.")
        self.ready = True

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the process; requests it has begun, it may finish."""
        self.ready = False
        self._container.stop(grace_seconds)
        self._log.close()

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_PING_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _failure(self, what: str) -> str:
        last = "; ".join(line for line in self._log.tail()[-5:] if line.strip())
        return (
            f"{what} for production variant {self.spec.variant}. Please check CloudWatch logs "
            f"for this endpoint ({self.spec.log_group}). Last lines: {last[-800:]}"
        )


def _variables(context: Context, spec: FleetSpec, root: Path) -> dict[str, str]:
    container = spec.container
    told = {"AWS_REGION": context.region} if plays("hosting-region", "told") else {}
    return containers.environment(
        context,
        root,
        role_arn=container.role_arn,
        session_name="SageMaker",
        variables={**told, **container.environment},
        program=built_images.program(container.image),
        isolated=container.isolated,
    )


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
