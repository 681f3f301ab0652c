"""Start-up check: does this ministack still have the internals that the adapter uses?"""

import importlib
import importlib.metadata
import inspect
from collections.abc import Iterable
from pathlib import Path

PINNED_VERSION = "1.5.33"

# One internal a line: module, name and, for what is called or replaced, its parameters in order.
INTERNALS = Path(__file__).with_name("internals.txt")


class IncompatibleEmulatorError(RuntimeError):
    """The installed ministack is not the one that the adapter was written for."""


def check_compatibility(internals: Iterable[str] | None = None) -> None:
    """Refuse to start on another ministack, naming what is missing.

    Args:
        internals: Lines in the form of `internals.txt`. If omitted, all that the adapter uses.

    Raises:
        IncompatibleEmulatorError: If the version or any name or signature differs.
    """
    version = importlib.metadata.version("ministack")
    lines = INTERNALS.read_text().splitlines() if internals is None else internals
    problems = [problem for line in lines if (problem := _problem(line)) is not None]
    if problems or version != PINNED_VERSION:
        missing = "; missing: " + ", ".join(problems) if problems else ""
        raise IncompatibleEmulatorError(
            f"ministack must be exactly {PINNED_VERSION}, got {version}{missing}; "
            f"run `pip install ministack=={PINNED_VERSION}`"
        )


def _problem(line: str) -> str | None:
    """What is wrong with one internal, or nothing."""
    path, is_function, parameters = line.partition("(")
    module_name, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"ministack.{module_name}"), name)
    except (ImportError, AttributeError):
        return path
    if not is_function:
        return None
    stars: dict[object, str] = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    have = ", ".join(
        f"{stars.get(parameter.kind, '')}{name}"
        for name, parameter in inspect.signature(found).parameters.items()
    )
    wanted = parameters.removesuffix(")")
    return None if have == wanted else f"{path}({wanted}) (found {path}({have}))"
