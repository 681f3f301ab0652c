"""Where ministack's CloudFormation takes a template."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ministack.services.cloudformation import changesets, handlers

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
