"""When a model package was approved, so that the last approval can be told from earlier ones."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

# As `fraudloop` keeps people's decisions; decision_000 is the pipeline's own, for passing the gate.
KEY = re.compile(r"decision_(\d+)")
TEXT = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) Approved by .*", re.DOTALL)


def approval(package: Mapping[str, Any]) -> tuple[datetime, int]:
    """Orders described packages by approval: its time, then the version.

    The time is that of the last recorded decision. SageMaker's own, of the last change, stands in
    where none is recorded: a change of the model card or of other metadata moves it, and must not
    bring an older model back.
    """
    changed: datetime = package.get("LastModifiedTime", package["CreationTime"])
    return _recorded(package) or changed, package.get("ModelPackageVersion", 0)


def _recorded(package: Mapping[str, Any]) -> datetime | None:
    """When the last decision was recorded, if that was to approve."""
    properties = package.get("CustomerMetadataProperties", {})
    numbers = {int(match[1]): key for key in properties if (match := KEY.fullmatch(key))}
    found = TEXT.fullmatch(properties[numbers[max(numbers)]]) if numbers else None
    return None if found is None else datetime.fromisoformat(found[1])
