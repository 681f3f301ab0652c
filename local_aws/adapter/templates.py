"""Where ministack's CloudFormation takes a template, and properties of a resource."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ministack.services.cloudformation import changesets, handlers, provisioners, stacks

Properties = Mapping[str, Any]


def check_templates(problem: Callable[[Properties], str | None]) -> None:
    """Let a function refuse templates: from one to the reason, or None."""

    def checking(inner: Any) -> Any:
        def validate(template: Any, conditions: Any, params: Any = None) -> None:
            inner(template, conditions, params=params)
            if not template.get("Transform") and (reason := problem(template)):
                raise ValueError(reason)

        return validate

    for module in (handlers, changesets):
        module.validate_template_support = checking(module.validate_template_support)


def check_parameters(unknown: Callable[[Properties, Iterable[str]], str | None]) -> None:
    """Let a function refuse parameters: from template and given names to the reason, or None."""

    def checking(inner: Any) -> Any:
        def resolve(template: Any, provided: Any, *rest: Any) -> Any:
            if reason := unknown(template, [str(each.get("Key")) for each in provided or ()]):
                raise ValueError(reason)
            return inner(template, provided, *rest)

        return resolve

    for module in (handlers, changesets):
        module._resolve_parameters = checking(module._resolve_parameters)


def check_properties(invalid: Callable[[str, str, Properties], str | None]) -> None:
    """Let a function refuse the properties that a resource is to have.

    Args:
        invalid: (logical id, type, properties) to the reason, or None.
    """
    create, update = stacks._provision_resource, stacks._update_resource

    def provision(kind: str, logical_id: str, properties: Any, stack_name: str) -> Any:
        if reason := invalid(logical_id, kind, properties):
            raise ValueError(reason)
        return create(kind, logical_id, properties, stack_name)

    def change(kind: str, physical_id: str, old: Any, new: Any, *rest: Any) -> Any:
        logical_id = rest[1] if len(rest) > 1 else physical_id
        if old != new and (reason := invalid(logical_id, kind, new)):
            raise ValueError(reason)
        return update(kind, physical_id, old, new, *rest)

    stacks._provision_resource = provision
    stacks._update_resource = change


def replace_by_schema(
    create_only: Callable[[str], tuple[str, ...]], identifier: Callable[[str], tuple[str, ...]]
) -> None:
    """Replace a resource whose change its type cannot take, and refuse to if it keeps its name.

    Args:
        create_only: From a type to the properties that cannot change.
        identifier: From a type to the properties that name a resource; none if AWS names it.
    """
    for kind in provisioners._RESOURCE_HANDLERS:
        known = provisioners._REPLACING_PROPERTIES.get(kind)
        wanted = create_only(kind)
        if known is not None or wanted:
            provisioners._REPLACING_PROPERTIES[kind] = tuple({*(known or ()), *wanted})
        names = identifier(kind)
        if names and kind not in provisioners._CUSTOM_NAME_REPLACEMENT:
            name = names[0] if len(names) == 1 else names
            provisioners._CUSTOM_NAME_REPLACEMENT[kind] = {"name": name}
