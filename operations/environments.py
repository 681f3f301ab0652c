"""The names of the environments, read where they are defined, without importing the CDK."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from operations.errors import OperationError
from operations.target import PROJECT_ROOT

__all__ = ["check_environment", "environment_names"]

_DEFINITIONS = PROJECT_ROOT / "stacks" / "environments.py"


@cache
def environment_names(definitions: Path = _DEFINITIONS) -> tuple[str, ...]:
    """The environments that `stacks/environments.py` defines, in its order.

    Importing it would take seconds: each is a constant of the module, an `Environment(name="...")`
    or a `replace(..., name="...")`.
    """
    module = ast.parse(definitions.read_text(encoding="utf-8"))
    return tuple(name for statement in module.body for name in _defined(statement))


def check_environment(name: str) -> None:
    """Refuse a name that is no environment's.

    Raises:
        OperationError: With the names that there are.
    """
    if name not in environment_names():
        raise OperationError(
            f"environment must be one of {', '.join(environment_names())}, got {name}; "
            "add its values to stacks/environments.py"
        )


def _defined(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case (
            ast.Assign(value=ast.Call(keywords=keywords))
            | ast.AnnAssign(value=ast.Call(keywords=keywords))
        ):
            for keyword in keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)
