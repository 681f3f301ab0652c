"""The schema of the features as it is declared, and whether its version promises that."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from pipeline_code.contracts.schema import SCHEMA_DIGESTS, version_number
from pipeline_code.features.declarations import (
    LABEL_DELAY,
    Aggregation,
    Derivation,
    Entity,
    Feature,
    Formula,
)
from pipeline_code.features.definitions import (
    ALLOWED_LATENESS,
    ENTITIES,
    FEATURES,
    LATEST_REPORT,
    features_of,
)
from pipeline_code.features.plan import plan_of

__all__ = ["STATE_FORMAT", "check_schema", "schema_digest", "state_contract"]

# Of a state's stored text (`pipeline_code.features.state_text`).
STATE_FORMAT = 2


def check_schema(
    features: tuple[Feature, ...] | None = None,
    version: str | None = None,
    digests: Mapping[str, str] = SCHEMA_DIGESTS,
) -> None:
    """Refuse features that are not those of their version; of every version, if none is given.

    Consumers would write states of one kind into groups that hold another, and a deployed model
    would answer without them.

    Raises:
        ValueError: They are others, or the version has no digest; the message holds the new one.
    """
    for each in digests if version is None else (version,):
        declared = features_of(each) if features is None else features
        _check_version(declared, each, digests)


def _check_version(features: tuple[Feature, ...], version: str, digests: Mapping[str, str]) -> None:
    digest, pinned = schema_digest(features), digests.get(version)
    if digest == pinned:
        return
    new = _next(digests) if pinned else version
    said = (
        'in pipeline_code/features/definitions.py give what is new since="{0}", and what is gone '
        'until="{0}"; '
    )
    raise ValueError(
        f"features of schema version {version} must have the digest {pinned or 'of their own'}, "
        f"got {digest}: names, types, definitions or states have changed; "
        f"{said.format(new) if pinned else ''}in pipeline_code/contracts/schema.py "
        f'add "{new}": "{digest}" to SCHEMA_DIGESTS, so that new feature groups are made beside '
        "the old"
    )


def schema_digest(features: tuple[Feature, ...] = FEATURES) -> str:
    """The digest of all that rows, groups, models and states of these features agree on, in hex."""
    declared = [[feature.name, feature.store_type, _text(feature.formula)] for feature in features]
    days = [_seconds(each) for each in (LABEL_DELAY, ALLOWED_LATENESS, LATEST_REPORT)]
    states = [[each.name, state_contract(each, features).hex()] for each in ENTITIES]
    text = json.dumps([declared, days, STATE_FORMAT, states])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def state_contract(entity: Entity, features: tuple[Feature, ...] = FEATURES) -> bytes:
    """Names what a state of the entity keeps: events, how finely and how long."""
    plan = plan_of(features)
    keeps = [plan.keeps(entity, reports=reports) for reports in (False, True)]
    schedules = [plan.schedule(entity, reports=reports).tolist() for reports in (False, True)]
    text = repr((entity.name, keeps, schedules))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _text(formula: Formula) -> Any:
    """By values alone: a class or a field may have another name."""
    if isinstance(formula, Derivation):
        return [_text(formula.dividend), _text(formula.divisor)]
    if not isinstance(formula, Aggregation):
        return formula.value
    window = formula.window
    spans = [_seconds(each) for each in (window.length, window.shift, window.hop)]
    return [formula.entity.name, formula.source.value, formula.operation.value, *spans]


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)


def _next(digests: Mapping[str, str]) -> str:
    return f"v{max(map(version_number, digests)) + 1}"
