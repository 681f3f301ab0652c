"""Pages out of the Jinja2 templates beside the code that fills them; every text is escaped.

A page is one document that needs nothing from elsewhere, and runs nothing.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]

TEMPLATES = Path(__file__).parents[1]


def render(template: str, **values: object) -> str:
    """A page.

    Args:
        template: Path of the template, from `pipeline_code` on.
        values: What it shows, by name.

    Raises:
        jinja2.UndefinedError: If the template names what is not there.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> "Environment":
    # Few of the jobs that import this write a page.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format
    return environment
