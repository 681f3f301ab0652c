"""The documented forms of the monitor's files, as JSON Schemas of our own."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent / "documented"


def validator(name: str) -> Draft202012Validator:
    """Of `statistics`, `constraints` or `violations`."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(name: str, document: Any) -> None:
    """Raises ValidationError if a document is not of its form."""
    validator(name).validate(document)
