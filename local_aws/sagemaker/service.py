"""The local SageMaker's front: from an HTTP request to a handler's method and back.

Requests are validated, and answers shaped, by botocore's own service models, so any AWS client
fits. A handler is a class with a method per operation, in snake case; what no handler has is
refused by name.
"""

import inspect
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from botocore.model import OperationModel

from local_aws import adapter
from local_aws.behaviours.playing import plays
from local_aws.guesses import guessed
from local_aws.sagemaker import arns, networks, permissions, roles, wire
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError, access_denied, unsupported
from local_aws.sagemaker.tags import Tags
from local_aws.sagemaker.validation import check
from local_aws.sagemaker.volumes import check_keys
from local_aws.sagemaker.wire import Answer, Api, Query

_LOG = logging.getLogger(__name__)


class Service:
    """Serves the operations of some botocore models by handlers.

    Args:
        apis: botocore's names of the services; the first one is asked by `X-Amz-Target`.
        handlers: Objects with a method for each operation, in snake case.
    """

    def __init__(self, context: Context, apis: Sequence[str], handlers: Sequence[Any]) -> None:
        self._context = context
        self._apis = [Api(name) for name in apis]
        self._tags = Tags(context)
        # Handlers may refuse requests of the runtimes before they are read: there were too many.
        self._gates = [h.admit for h in handlers if hasattr(h, "admit")]
        # Handlers may serve their busiest requests themselves; None means they do not this one.
        self._direct = [h.serve_directly for h in handlers if hasattr(h, "serve_directly")]
        self._methods: dict[str, Any] = {}
        for api in self._apis:
            for operation in api.operation_names:
                for handler in (*handlers, self._tags):
                    method = getattr(handler, snake(operation), None)
                    if method is not None:
                        self._methods.setdefault(operation, method)

    @property
    def supported(self) -> list[str]:
        """The operations that have a handler."""
        return sorted(self._methods)

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: Query
    ) -> Answer:
        """Serve one HTTP request."""
        target = headers.get("x-amz-target")
        try:
            if target is not None:
                return await self._serve_json(target, headers, body)
            for admit in self._gates:
                admit(method, path)
            self._allow_batch(path, headers, body)
            for serve in self._direct:
                if (answer := serve(method, path, body)) is not None:
                    return answer  # type: ignore[no-any-return]
            return await self._serve_rest(method, path, headers, body, query)
        except ServiceError as error:
            return wire.write_error(error, rest=target is None)
        except Exception as error:
            _LOG.exception("%s %s failed", method, target or path)
            failure = ServiceError("InternalFailure", f"{type(error).__name__}: {error}", 500)
            return wire.write_error(failure, rest=target is None)

    async def _serve_json(self, target: str, headers: dict[str, str], body: bytes) -> Answer:
        api, name = self._apis[0], target.rpartition(".")[2]
        if name not in api.operation_names:
            raise ServiceError("UnknownOperationException", f"there is no operation {name}")
        operation = api.operation(name)
        request = wire.decode_json(wire.read_json(body), operation.input_shape)
        return wire.write_json(operation, await self._run(operation, request, headers))

    async def _serve_rest(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: Query
    ) -> Answer:
        for api in self._apis:
            if api.is_rest and (found := api.match(method, path)):
                operation = api.operation(found[0])
                request = wire.read_rest(operation, found[1], headers, query, body)
                return wire.write_rest(operation, await self._run(operation, request, headers))
        raise ServiceError("UnknownOperationException", f"no operation is at {method} {path}", 404)

    async def _run(
        self, operation: OperationModel, request: dict[str, Any], headers: dict[str, str]
    ) -> Mapping[str, Any]:
        method = self._method(operation.name)
        if inspect.iscoroutinefunction(method):
            check(request, operation.input_shape)
            direct: Mapping[str, Any] = await method(request)
            return direct
        answer: Mapping[str, Any] = await adapter.run_blocking(
            self._run_blocking, operation, request, headers
        )
        return answer

    def _run_blocking(
        self, operation: OperationModel, request: dict[str, Any], headers: dict[str, str]
    ) -> Mapping[str, Any]:
        check(request, operation.input_shape)
        self._allow(operation, request, headers)
        with self._context.serving(adapter.caller_identity(headers)):
            return self._invoke(operation.name, request)

    def _allow(
        self, operation: OperationModel, request: Mapping[str, Any], headers: dict[str, str]
    ) -> None:
        """Ask for what the request needs beside its own action on its first resource."""
        caller, scope = adapter.caller(headers), (self._context.region, self._context.account)
        for action, resource, keys in permissions.further(operation, request, *scope):
            if (denied := caller.denied(action, resource, keys)) is not None:
                what = permissions.guesses(operation.name, action)
                raise access_denied(guessed(denied, *what))

    def _allow_batch(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Ask for all groups of a request for records of several."""
        name = path.removeprefix("/")
        if name in arns.BATCHES:
            operation = next(a for a in self._apis if name in a.operation_names).operation(name)
            self._allow(operation, wire.read_json(body), headers)

    def call(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Serve an operation within the server: validated, but without IAM."""
        operation = next(api for api in self._apis if name in api.operation_names).operation(name)
        check(request, operation.input_shape)
        return self._invoke(name, request)

    def _invoke(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        if name.startswith(("Create", "Update")):
            check_keys(request)
            networks.check(self._context, request)
        self._check_roles(name, request)
        answer: dict[str, Any] = self._method(name)(request) or {}
        if name.startswith("Create") and request.get("Tags"):
            created = next((v for k, v in answer.items() if k.endswith("Arn")), None)
            if created is not None:
                self._tags.keep(created, request["Tags"])
        elif name.startswith("Delete") and name != "DeleteTags" and self._apis[0].is_rest is False:
            gone = arns.subject(name, request, self._context.region, self._context.account)
            if gone is not None:
                self._tags.forget(gone)
        return answer

    def _check_roles(self, name: str, request: dict[str, Any]) -> None:
        """Refuse roles that SageMaker could not assume."""
        context = self._context
        shape = next(a for a in self._apis if name in a.operation_names).operation(name).input_shape
        given = list(roles.named(request, shape))
        if given:
            subject = arns.subject(name, request, context.region, context.account)
            for role in given:
                source = roles.source_of(name, request, subject)
                try:
                    context.check_role(role, source, *roles.guesses(name))
                except ServiceError:
                    if "Pipeline" not in name or plays("role-at-once", "at-once"):
                        raise

    def _method(self, name: str) -> Any:
        if name not in self._methods:
            raise unsupported(name, f"supported: {', '.join(self.supported)}")
        return self._methods[name]

    def resource_arn(
        self, method: str, path: str, headers: dict[str, str], body: bytes, *scope: str
    ) -> str | None:
        """What IAM must allow a request on; `scope` is its region and account, None is `*`."""
        target = headers.get("x-amz-target")
        if target is not None:
            try:
                request = wire.read_json(body)
            except ServiceError:
                return None
            return arns.subject(target.rpartition(".")[2], request, *scope)
        for api in self._apis:
            if api.is_rest and (found := api.match(method, path)):
                name, in_path = found
                if name not in arns.BATCHES:
                    named = {member: unquote(text) for member, text in in_path.items()}
                    return arns.subject(name, named, *scope)
                try:  # only these name their resource in the body
                    return arns.subject(name, wire.read_json(body), *scope)
                except ServiceError:
                    return None
        return None


def snake(operation: str) -> str:
    """`CreateProcessingJob` as a method's name: `create_processing_job`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation).lower()
