"""Names and documents of what is made: dashboards, event buses, databases."""

import json
import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter.operations import Refusal


def _dashboard(given: Mapping[str, Any]) -> Refusal | None:
    """ "DashboardBody ... in JSON format" (CloudWatch API Reference, PutDashboard)."""
    try:
        if isinstance(json.loads(str(given["DashboardBody"])), dict):
            return None
    except ValueError:
        pass
    words = "The field DashboardBody must be a valid JSON object"
    return Refusal("InvalidParameterInput", words, 400)


def _event_bus(given: Mapping[str, Any]) -> Refusal | None:
    """ "Custom event bus names can't contain the / character"; names that begin with aws. are of
    partner event sources (EventBridge API Reference, CreateEventBus), of which there are none here.
    """
    name = str(given["Name"])
    if name != "default" and re.fullmatch(r"(?!aws\.)[.\-_A-Za-z0-9]+", name) is not None:
        return None
    return Refusal("ValidationException", f"Event bus name {name} is not valid.", 400)


def _folded(member: str) -> Any:
    """A rule for a name that "is folded to lowercase when it is stored" (AWS Glue Web API)."""

    def rule(given: Mapping[str, Any]) -> Refusal | None:
        name = str((given.get(member) or {}).get("Name", ""))
        if name == name.lower():
            return None
        words = f"Name must be in lower case on the embedded AWS, which folds none, got {name}"
        return Refusal("InvalidInputException", words, 400)

    return rule


RULES = {
    ("events", "CreateEventBus"): _event_bus,
    ("glue", "CreateDatabase"): _folded("DatabaseInput"),
    ("glue", "CreateTable"): _folded("TableInput"),
    ("monitoring", "PutDashboard"): _dashboard,
}
