"""Documents of dashboards and names of databases."""

import json
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
    ("glue", "CreateDatabase"): _folded("DatabaseInput"),
    ("glue", "CreateTable"): _folded("TableInput"),
    ("monitoring", "PutDashboard"): _dashboard,
}
