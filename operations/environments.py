"""The names of the environments, read where they are defined, without importing the CDK."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from operations.errors import OperationError
from operations.target import PROJECT_ROOT

__all__ = ["check_environment", "environment_names", "may_delete_data"]

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


def may_delete_data(name: str, definitions: Path = _DEFINITIONS) -> bool:
    """Whether an environment says that its data may be deleted; one that does not say so may not.

    What `replace` does not name is the environment's that it replaces parts of.
    """
    module = ast.parse(definitions.read_text(encoding="utf-8"))
    values = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        if isinstance(target, ast.Name)
    }
    own = next(value for value in values.values() if _keyword(value, "name") == name)
    return bool(_inherited(own, "may_delete_data", values))


def _inherited(value: Any, keyword: str, values: Mapping[str, Any]) -> Any:
    said = _keyword(value, keyword)
    base = value.args[0] if isinstance(value, ast.Call) and value.args else None
    if said is not None or not isinstance(base, ast.Name):
        return said
    return _inherited(values.get(base.id), keyword, values)


def _keyword(value: Any, keyword: str) -> Any:
    """What a call's keyword is, if it is a constant."""
    for each in value.keywords if isinstance(value, ast.Call) else ():
        if each.arg == keyword and isinstance(each.value, ast.Constant):
            return each.value.value
    return None


def _defined(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case (
            ast.Assign(value=ast.Call(keywords=keywords))
            | ast.AnnAssign(value=ast.Call(keywords=keywords))
        ):
            for keyword in keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)
