"""Puts the local SageMaker together and registers it with the emulator."""

import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from local_aws import adapter
from local_aws.adapter.cloudformation import adoption
from local_aws.sagemaker import tags
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.service import Service
from local_aws.sagemaker.store import Store

_LOG = logging.getLogger(__name__)
_PACKAGE = __name__.rpartition(".")[0]

# Module and class of each handler. A handler is made with the context and has a method for each
# of its operations. Optionally: `recover()`, called once before the server listens, to deal with
# what the last run left; `shutdown()`, called at an orderly stop and before a reset.
HANDLERS = (
    ("jobs.processing", "Processing"),
    ("tuning.tuning", "HyperParameterTuning"),
    ("jobs.training", "Training"),
    ("pipelines.pipelines", "Pipelines"),
    ("pipelines.executions", "Executions"),
    ("registry.registry", "Registry"),
    ("endpoints.models", "Models"),
    ("endpoints.endpoints", "Endpoints"),
    ("feature_store.feature_store", "FeatureStore"),
    ("transform.transform", "Transform"),
    ("monitoring.monitoring", "Monitoring"),
)
SAGEMAKER_APIS = ("sagemaker", "sagemaker-runtime", "sagemaker-featurestore-runtime")


def install(state_dir: Path, endpoint_url: str) -> None:
    """Register services, IAM resources, event targets and CloudFormation types."""
    store = Store(state_dir / "sagemaker.db")
    context = Context(store, state_dir, endpoint_url)
    handlers = list(_make(context, HANDLERS))
    scaling = list(_make(context, (("autoscaling.autoscaling", "AutoScaling"),)))
    sagemaker = Service(context, SAGEMAKER_APIS, handlers)
    context.bind(sagemaker.call)

    def reset() -> None:
        for handler in (*handlers, *scaling):
            _call(handler, "shutdown")
        store.clear()

    adapter.register_service(
        "sagemaker",
        sagemaker.handle_request,
        target_prefixes=["SageMaker."],
        botocore_rest=SAGEMAKER_APIS[1:],
        reset=reset,
    )
    adapter.register_resource_arn("sagemaker", sagemaker.resource_arn)
    adoption.list_tagged("sagemaker", lambda: store.items(tags.KIND))
    if scaling:
        adapter.register_service(
            "application-autoscaling",
            Service(context, ["application-autoscaling"], scaling).handle_request,
            target_prefixes=["AnyScaleFrontendService."],
        )
    _install_cloudformation(context, [*handlers, *scaling])
    for handler in (*handlers, *scaling):
        _call(handler, "recover")
        if hasattr(handler, "stop_requested"):
            adapter.on_stop_requested(handler.stop_requested)
        if hasattr(handler, "shutdown"):
            adapter.on_shutdown(handler.shutdown)


def _install_cloudformation(context: Context, handlers: list[Any]) -> None:
    module = _module("cloudformation.installation")
    if module is not None:
        module.install(context, {type(handler).__name__: handler for handler in handlers})


def _make(context: Context, names: tuple[tuple[str, str], ...]) -> Iterator[Any]:
    for module_name, class_name in names:
        module = _module(module_name)
        if module is not None:
            yield getattr(module, class_name)(context)


def _module(name: str) -> ModuleType | None:
    qualified = f"{_PACKAGE}.{name}"
    try:
        return importlib.import_module(qualified)
    except ModuleNotFoundError as error:
        if error.name != qualified:
            raise
        _LOG.warning("the local SageMaker runs without %s", name)
        return None


def _call(handler: Any, method: str) -> None:
    if hasattr(handler, method):
        getattr(handler, method)()
