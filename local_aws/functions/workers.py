"""The processes that Lambda's functions run in: their environment, and what they see and may write.

Lambda Developer Guide, "Defined runtime environment variables", and "Lambda quotas": of its file
system a function can write to `/tmp` alone.
"""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_aws import adapter
from local_aws.containers import built_images, confinement, project_image
from local_aws.settings import PROJECT_ROOT
from pipeline_code.common.kernel_cache import user_cache

TASK = "/var/task"
# What the Python runtimes bring besides the standard library ("Runtime-included SDK versions"),
# and what that needs.
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")
_DOCUMENTED = frozenset(
    {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_NAME"}
    | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"}
    | {"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    | {"AWS_SESSION_TOKEN"}
)
# The one addition, without which nobody would find the embedded AWS; and how ministack's worker is
# told about its function, where Lambda's runtime asks an address.
_ADDED = ("AWS_ENDPOINT_URL", "AWS_DISABLE_HOST_PREFIX_INJECTION")
_OWN = ("_LAMBDA_", "_MINISTACK_")
_NODE = "nodejs"


def install() -> None:
    """Start functions' workers so."""
    adapter.start_workers_by(prepare)


def prepare(config: Mapping[str, Any], start: adapter.WorkerStart) -> adapter.WorkerStart:
    """How a worker is started.

    Args:
        config: The function's configuration.
        start: How ministack would.
    """
    confined = confinement.refusal() is None
    environment = _environment(config, start, confined=confined)
    if not confined:
        return adapter.WorkerStart(start.command, start.folder, environment)
    # ministack's folder of the worker: its script, the code, the layers.
    own = Path(start.folder).parent
    megabytes = (config.get("EphemeralStorage") or {}).get("Size", 512)
    mounts: list[confinement.Mount] = [
        (int(megabytes), "/tmp", "tmpfs"),  # noqa: S108 - the function's
        *_libraries(config),  # which may lie in the machine's
        (str(own), str(own), "r"),
        (start.folder, TASK, "r"),
    ]
    folder = confinement.PROGRAM if _is_image(config) else TASK
    command = confinement.function(start.command, folder=folder, temporary=own, mounts=mounts)
    return adapter.WorkerStart(command, start.folder, environment)


def _environment(
    config: Mapping[str, Any], start: adapter.WorkerStart, *, confined: bool
) -> dict[str, str]:
    variables = (config.get("Environment") or {}).get("Variables") or {}
    name = config["FunctionName"]
    given = {
        key: value
        for key, value in start.environment.items()
        if key in _DOCUMENTED or key in _ADDED or key.startswith(_OWN)
    }
    runtime = {
        "PATH": f"{project_image.ENVIRONMENT['PATH']}:/opt/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": config.get("Handler") or "",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "LAMBDA_TASK_ROOT": TASK if confined else start.folder,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
    if str(config["Runtime"]).startswith(_NODE):
        runtime["NODE_PATH"] = start.environment["NODE_PATH"]
    if not _is_image(config):
        runtime["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{config['Runtime']}"
        return {**runtime, **variables, **given}
    image = {k: v for k, v in project_image.ENVIRONMENT.items() if k not in ("HOME", "PATH")}
    image |= {} if confined else {"NUMBA_CACHE_DIR": str(user_cache())}
    return {**runtime, **image, **variables, **given}


def _is_image(config: Mapping[str, Any]) -> bool:
    return config.get("PackageType") == "Image"


def _libraries(config: Mapping[str, Any]) -> list[confinement.Mount]:
    """The project's libraries for its image, the SDK for Python, all modules for Node."""
    if _is_image(config):
        return [
            *confinement.system(sys.prefix),
            *confinement.image(built_images.program(config.get("ImageUri"))),
        ]
    if str(config["Runtime"]).startswith(_NODE):
        return confinement.system(sys.prefix, str(PROJECT_ROOT / "node_modules"))
    prefix, libraries = Path(sys.prefix), Path(sysconfig.get_path("purelib"))
    parts = [prefix / "bin", prefix / "pyvenv.cfg", *(libraries / name for name in _SDK)]
    return confinement.system(*(str(part) for part in parts))
