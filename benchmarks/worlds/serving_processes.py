"""Starts the servers of `benchmarks.serving` as processes, and ends them."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.worlds.serving_world import GROUPS, World
from pipeline_code.common.model_digest import model_digest
from pipeline_code.features.definitions import CUSTOMER, TERMINAL

__all__ = ["Ports", "ask", "free_port", "running", "serving"]

PROJECT = Path(__file__).parents[2]
NAMES = ("noop", "store", "ours", "timed", "batched", "mlflow", "flask")
START_SECONDS = 120
END_SECONDS = 30
# Servers find their own commands, and for a row at a time threads only wait for each other.
FOR_ALL = {
    "OMP_NUM_THREADS": "1",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}

Ports = Mapping[str, int]


@contextmanager
def running(world: World, folder: Path) -> Iterator[Ports]:
    """All servers, ready, with one worker each: those of `NAMES`.

    Args:
        world: The model and the states.
        folder: For their files and logs; the model lies there in each one's own form.

    Raises:
        RuntimeError: One did not start; its log's end is in the message.
    """
    _write(world, folder)
    ports = {name: free_port() for name in NAMES}
    with ExitStack() as stack:
        for name, (command, environment, path) in _commands(ports, folder).items():
            log = folder / f"{name}.log"
            stack.enter_context(serving(command, environment, ports[name], path, log))
        yield ports


@contextmanager
def serving(
    command: Sequence[str], environment: Mapping[str, str], port: int, path: str, log: Path
) -> Iterator[None]:
    """A server, ready.

    Args:
        command: Starts it.
        environment: Its variables, beside this process's own.
        port: Where it listens.
        path: What answers 200 when it is ready; if empty, to be reached is enough.
        log: Where its output goes.

    Raises:
        RuntimeError: It did not start; its log's end is in the message.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **FOR_ALL, **environment},
            stdout=file,
            stderr=file,
            start_new_session=True,  # a server's workers end with it
        )
    try:
        _wait(process, port, path, log)
        yield
    finally:
        _end(process)


def ask(port: int, body: bytes, content_type: str, attributes: str = "") -> bytes:
    """One answer of /invocations; raises RuntimeError unless its status is 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"content-type": content_type}
        if attributes:
            headers["x-amzn-sagemaker-custom-attributes"] = attributes
        connection.request("POST", "/invocations", body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"status must be 200, got {response.status}: {answer[:500]!r}")
        return answer
    finally:
        connection.close()


def _write(world: World, folder: Path) -> None:
    import mlflow.xgboost  # noqa: PLC0415 - seconds, and only here
    import xgboost  # noqa: PLC0415

    world.model.save(folder / "ml" / "model")
    world.write_states(folder / "states.json")
    booster = xgboost.Booster(model_file=bytearray(world.model.scorer.content))
    booster.set_param({"nthread": 1})
    mlflow.xgboost.save_model(booster, str(folder / "mlflow"), model_format="ubj")


def _commands(ports: Ports, folder: Path) -> dict[str, tuple[Sequence[str], dict[str, str], str]]:
    """Of each server its command, its environment, and the path that says when it is ready."""
    python = sys.executable
    apps = [python, "-m", "benchmarks.peers.serving_apps"]
    settings = {
        "SERVE_WORKERS": "1",
        "SAGEMAKER_BIND_HOST": "127.0.0.1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STATES": str(folder / "states.json"),
        "REVIEW_THRESHOLD": "0.5",
        "DECLINE_THRESHOLD": "none",
        "MODEL_DIGEST": model_digest(folder / "ml" / "model"),
    }
    ours = {
        "SAGEMAKER_BASE_DIR": str(folder / "ml"),
        "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME": f"http://127.0.0.1:{ports['store']}",
        "CUSTOMER_FEATURE_GROUP": GROUPS[CUSTOMER],
        "TERMINAL_FEATURE_GROUP": GROUPS[TERMINAL],
        "MODEL_PACKAGE_ARN": "arn:aws:sagemaker:us-east-1:000000000000:model-package/fraud/1",
        "METRIC_NAMESPACE": "benchmark",
        "ENDPOINT_NAME": "benchmark",
    }
    bound = {name: {"SAGEMAKER_BIND_TO_PORT": str(port)} for name, port in ports.items()}
    return {
        "noop": ([*apps, "noop"], settings | bound["noop"], "/"),
        "store": ([*apps, "store"], settings | bound["store"], ""),
        "ours": (
            [python, "-m", "pipeline_code", "serve"],
            settings | ours | bound["ours"],
            "/ping",
        ),
        "timed": ([*apps, "timed"], settings | ours | bound["timed"], "/ping"),
        "batched": ([*apps, "batched"], settings | ours | bound["batched"], "/ping"),
        "mlflow": (
            [
                *(python, "-m", "mlflow", "models", "serve", "--model-uri", str(folder / "mlflow")),
                *("--env-manager", "local", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(ports["mlflow"])),
            ],
            {},
            "/ping",
        ),
        "flask": (
            [
                *("gunicorn", "--workers", "1", "--worker-class", "sync"),
                *(
                    "--bind",
                    f"127.0.0.1:{ports['flask']}",
                    "benchmarks.peers.serving_apps:flask_app()",
                ),
            ],
            {"MODEL_FILE": str(folder / "ml" / "model" / "model.ubj")},
            "/ping",
        ),
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(port, path):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{log.stem} must start, got: {log.read_text(errors='replace')[-2000:]}")


def _is_ready(port: int, path: str) -> bool:
    try:
        if not path:  # it knows no path but its own
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
