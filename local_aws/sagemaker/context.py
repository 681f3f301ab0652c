"""The context that the local SageMaker's parts share: state, identity, events, credentials."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import boto3
import botocore.config
import botocore.loaders
import botocore.session

from local_aws import adapter
from local_aws.guesses import Guess
from local_aws.sagemaker import arns, roles
from local_aws.sagemaker.metric_watch import MetricWatch
from local_aws.sagemaker.store import Store
from local_aws.settings import ACCOUNT, REGION

# Parsing a service model takes a tenth of a second; all sessions share what was loaded once.
_LOADER = botocore.loaders.create_loader()
_CLIENT = botocore.config.Config(
    connect_timeout=5, read_timeout=120, max_pool_connections=16, retries={"mode": "standard"}
)


# Who makes the request that a thread serves; nobody in threads of the service's own.
_caller: ContextVar[dict[str, str] | None] = ContextVar("caller", default=None)


class LocalSession(boto3.Session):  # type: ignore[misc]
    """A boto3 session whose clients talk to the embedded AWS, whatever the environment says."""

    def __init__(self, endpoint_url: str, region: str, credentials: Mapping[str, str]) -> None:
        session = botocore.session.Session(session_vars={"profile": (None, [], None, None)})
        session.register_component("data_loader", _LOADER)
        super().__init__(
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials.get("AWS_SESSION_TOKEN"),
            region_name=region,
            botocore_session=session,
        )
        self._endpoint_url = endpoint_url

    def client(self, service_name: str, **settings: Any) -> Any:
        """A client of the embedded AWS."""
        settings = {"endpoint_url": self._endpoint_url, "config": _CLIENT, **settings}
        return super().client(service_name, **settings)


class Context:
    """Shared by all handlers; safe to use from any thread.

    Args:
        store: Where resources are kept.
        state_dir: The embedded AWS's folder; job roots lie below it in `ml/`.
        endpoint_url: Where the embedded AWS listens.
    """

    def __init__(self, store: Store, state_dir: Path, endpoint_url: str) -> None:
        self.store = store
        self.state_dir = state_dir
        self.endpoint_url = endpoint_url
        self.account = ACCOUNT
        self.region = REGION
        # Two jobs at once even on one processor, so that independent steps overlap.
        self.job_slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
        # What running training jobs print of their metrics; gone when nobody looks any more.
        self.watches: WeakValueDictionary[str, MetricWatch] = WeakValueDictionary()
        self._dispatch: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
        # For what each role was last asked for: the source that SageMaker names when it assumes it.
        self._sources: dict[str, str | None] = {}
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()

    @property
    def ml_dir(self) -> Path:
        """Below it, one private `/opt/ml` for each job and each model server."""
        return self.state_dir / "ml"

    @property
    def logs_dir(self) -> Path:
        """Where the output of jobs and model servers is kept as files."""
        return self.state_dir / "logs"

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a resource: `context.arn("endpoint", "fraud")`."""
        return arns.arn(self.region, self.account, kind, name)

    def emit_event(
        self, detail_type: str, detail: Mapping[str, Any], resources: Iterable[str] = ()
    ) -> None:
        """Put an `aws.sagemaker` event on the default bus."""
        with adapter.request_scope(self.account, self.region):
            adapter.emit_event(detail_type, dict(detail), list(resources))

    def check_role(self, role_arn: str, source_arn: str | None, *guesses: Guess) -> None:
        """Refuse a role that SageMaker may not assume; later it is assumed for the same source.

        Args:
            role_arn: The role.
            source_arn: What it is assumed for.
            guesses: What of a refusal AWS does not document.

        Raises:
            ServiceError: In SageMaker's words.
        """
        with adapter.request_scope(self.account, self.region):
            reason = roles.principal(self.account, source_arn).not_trusted(role_arn)
        if reason is not None:
            raise roles.not_assumable(role_arn, reason, *guesses)
        self._sources[role_arn] = source_arn

    def role_environment(
        self, role_arn: str, session_name: str, seconds: int = 12 * 3600
    ) -> dict[str, str]:
        """Credentials of a role that SageMaker assumes, as environment variables.

        Raises:
            ServiceError: If it may not, in SageMaker's words.
        """
        source_arn = self._sources.get(role_arn, self.arn("*", "*"))
        with adapter.request_scope(self.account, self.region):
            service = roles.principal(self.account, source_arn)
            try:
                return dict(service.assume(role_arn, session_name, seconds))
            except adapter.RoleNotAssumableError as error:
                raise roles.not_assumable(role_arn, str(error)) from error

    def role_session(self, role_arn: str, session_name: str) -> LocalSession:
        """A boto3 session that acts as a role which SageMaker assumes.

        Raises:
            ServiceError: If it may not assume it.
        """
        credentials = self.role_environment(role_arn, session_name)
        return LocalSession(self.endpoint_url, self.region, credentials)

    def admin_session(self) -> LocalSession:
        """A boto3 session with the embedded AWS's own key, for what the service itself does."""
        return LocalSession(self.endpoint_url, self.region, os.environ)

    def admin_client(self, service: str) -> Any:
        """A client of the embedded AWS's own key; made once, since that takes a while."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = self.admin_session().client(service)
            return self._clients[service]

    @contextmanager
    def serving(self, caller: dict[str, str] | None) -> Iterator[None]:
        """Serve a request of somebody: `Arn` and `UserId`."""
        token = _caller.set(caller)
        try:
            yield
        finally:
            _caller.reset(token)

    @property
    def user(self) -> dict[str, Any]:
        """Who makes the request being served, as descriptions have it in `CreatedBy`."""
        caller = _caller.get()
        if caller is None:
            return {}
        return {"IamIdentity": {"Arn": caller["Arn"], "PrincipalId": caller["UserId"]}}

    def bind(self, dispatch: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        """Say what `call` calls; the service does, once its handlers exist."""
        self._dispatch = dispatch

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Serve an operation as the API does, validation included, but without IAM.

        CloudFormation handlers and the service's own steps use it:
        `context.call("CreateModel", {...})`. Raises `errors.ServiceError`.
        """
        if self._dispatch is None:
            raise RuntimeError("call must come after install, which binds the handlers")
        return self._dispatch(operation, request)
