"""Runs work in a process of its own and says how long it took and how much memory it needed."""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

__all__ = ["Measurement", "add_json", "in_process", "show", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run: seconds from its start to its end, peak resident MiB, and what it returned."""

    seconds: float
    peak_mib: float
    result: Any


def in_process(work: Callable[..., Any], *arguments: Any) -> Measurement:
    """Runs work in a new interpreter; imports are not counted, compiled kernels are cached."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        measured: Measurement = ours.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"{work.__name__} ended with exit code {process.exitcode}") from None
    process.join()
    return measured


def _run(connection: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    start = time.monotonic()
    result = work(*arguments)
    seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    connection.send(Measurement(seconds=seconds, peak_mib=peak, result=result))


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds the option that every benchmark has."""
    parser.add_argument("--json", help="write the result to this file; - is stdout")


def show(result: dict[str, Any], path: str | None) -> None:
    """Prints a benchmark's result, a line a figure, and writes it where it was asked for."""
    if path != "-":
        for name, value in result.items():
            print(f"{name:32} {value:,.3f}" if isinstance(value, float) else f"{name:32} {value}")
    if path is not None:
        write(result, path)


def write(result: dict[str, Any], path: str) -> None:
    """Writes a benchmark's result to a file; - is stdout."""
    text = json.dumps(result, indent=2) + "\n"
    if path == "-":
        print(text, end="")
    else:
        Path(path).write_text(text, encoding="utf-8")
