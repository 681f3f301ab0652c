"""Lets CloudFormation hold resources to schemas, as its registry does."""

from collections.abc import Callable, Container, Mapping
from typing import Any

from ministack.services.cloudformation import (
    changesets,
    engine,
    handlers,
    provisioners,
    stacks,
)

Properties = dict[str, Any]
_UNRECOGNIZED = "Template format error: Unrecognized resource types: ["


def hold_resources(
    problem: Callable[[str, str, str, Properties], str | None],
    replaces: Callable[[str, Properties, Properties], bool],
    name: Callable[[str, Properties], str | None],
) -> None:
    """Refuse properties that a type does not have, and replace what cannot be changed.

    Args:
        problem: Of (type, logical ID, name or the one that it is going to get, properties): what is
            wrong with these, or None.
        replaces: Of (type, old properties, new properties): whether the change makes a new one.
        name: Of (type, properties): the name that the template gives to the resource, if it does.
    """
    create, update = stacks._provision_resource, stacks._update_resource
    replacing, refused = (
        provisioners._replacing_change,
        provisioners._custom_named_replacement_error,
    )

    def provision_resource(kind: str, logical_id: str, properties: Properties, stack: str) -> Any:
        made = str(provisioners._physical_name(stack, logical_id))
        if (reason := problem(kind, logical_id, made, properties)) is not None:
            raise ValueError(reason)
        return create(kind, logical_id, properties, stack)

    def update_resource(
        kind: str, physical_id: str, old: Properties, new: Properties, stack: str, *rest: Any
    ) -> Any:
        logical_id = str(rest[0] or "") if rest else ""
        reason = problem(kind, logical_id, physical_id, new) if old != new else None
        if reason is not None:
            raise ValueError(reason)
        return update(kind, physical_id, old, new, stack, *rest)

    def custom_named(kind: str, old: Properties, new: Properties, physical_id: Any = None) -> Any:
        given = name(kind, old)
        if given is None or given != name(kind, new) or not replaces(kind, old, new):
            return refused(kind, old, new, physical_id)
        return (
            "CloudFormation cannot update a stack when a custom-named resource requires "
            f"replacing. Rename {physical_id or given} and update the stack again."
        )

    stacks._provision_resource = provision_resource
    stacks._update_resource = update_resource
    provisioners._custom_named_replacement_error = custom_named
    provisioners._replacing_change = lambda kind, old, new: (
        replacing(kind, old, new) or replaces(kind, old, new)
    )


def keep_types(
    supported: Container[str],
    exists: Callable[[str], bool],
    problem: Callable[[Mapping[str, Any], Mapping[str, bool]], str | None],
) -> None:
    """Provision these resource types only, of templates that have no problem.

    Args:
        supported: Their names.
        exists: Whether AWS has a type; one that it has is refused in other words.
        problem: Of a template and its conditions: what is wrong with it, or None.
    """
    for kind in [*provisioners._RESOURCE_HANDLERS]:
        if kind not in supported:
            del provisioners._RESOURCE_HANDLERS[kind]
    inner = engine.validate_template_support

    def validate_template_support(template: Any, conditions: Any, params: Any = None) -> None:
        failed = isinstance(template, engine._TransformFailed)
        if not failed and (reason := problem(template, conditions)) is not None:
            raise ValueError(reason)
        try:
            inner(template, conditions, params)
        except ValueError as error:
            text = str(error)
            if not text.startswith(_UNRECOGNIZED):
                raise
            named = text.removeprefix(_UNRECOGNIZED).removesuffix("]").split(", ")
            unknown = [kind for kind in named if not exists(kind)]
            if unknown:
                raise ValueError(f"{_UNRECOGNIZED}{', '.join(unknown)}]") from None
            raise ValueError(
                f"resource types {', '.join(named)} are not supported by the embedded AWS; "
                "local_aws/README.md lists what is"
            ) from None

    engine.validate_template_support = validate_template_support
    for module in (changesets, handlers, stacks):
        if hasattr(module, "validate_template_support"):
            module.validate_template_support = validate_template_support
