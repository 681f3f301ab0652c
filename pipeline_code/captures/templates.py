"""Learns from captured lines how those like them look.

An endpoint writes the same keys in the same order every time, so that a line differs from the one
before in its values alone. What a line has beside them, the model's version, the decision, why an
answer is degraded, is part of the template: of each combination there is one.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.captures import kernel
from pipeline_code.captures.exchanges import Exchange
from pipeline_code.captures.rows import RecordFilter, asked, label_of, reasons_of
from pipeline_code.captures.spans import Path, Scalar, UnlearnableError, scalars, unescaped
from pipeline_code.common.exits import BadInput

__all__ = [
    "CUSTOMER",
    "EVENT",
    "ID_BEGIN",
    "ID_END",
    "INFERENCE",
    "SCORE",
    "TERMINAL",
    "TRANSACTION",
    "WHOLES",
    "Template",
    "learn",
]

Ints = npt.NDArray[np.int64]
Slot = tuple[int, int]

# Rows of the doubles that a scan writes: features follow the score. And of the integers: addresses
# where the inference id begins and ends, times in microseconds, and ids.
SCORE = 0
ID_BEGIN, ID_END, INFERENCE, EVENT, TRANSACTION, CUSTOMER, TERMINAL = range(7)
WHOLES = 7

INPUT, OUTPUT = "endpointInput", "endpointOutput"
METADATA: dict[Path, Slot] = {
    ("eventMetadata", "eventId"): (kernel.TEXT, kernel.NO_TARGET),
    ("eventMetadata", "inferenceId"): (kernel.IDENTIFIER, ID_BEGIN),
    ("eventMetadata", "inferenceTime"): (kernel.TIME, INFERENCE),
}
REQUEST: dict[Path, Slot] = {
    ("transaction_id",): (kernel.INTEGER, kernel.NO_TARGET),
    ("event_time",): (kernel.TIME, EVENT),
    ("customer_id",): (kernel.INTEGER, CUSTOMER),
    ("terminal_id",): (kernel.INTEGER, TERMINAL),
    ("amount",): (kernel.AMOUNT, kernel.NO_TARGET),
}
# Of a response; predictions without a score were refused before.
MAY_LACK: frozenset[Path] = frozenset({("transaction_id",), ("score",)})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """How lines look that differ in their values alone.

    Attributes:
        parts: What is before, between and behind the slots.
        slots: Kind and target of each.
        features: The features, in the response's order.
        named: Whether there is an inference id.
        numbered: Whether the response names its transaction.
        asked: Whether the request is a raw transaction that was read.
        version, decision, degraded: What the responses say.
        reasons: Why a response is degraded; None if it is not.
        label: What was merged.
    """

    parts: tuple[bytes, ...]
    slots: tuple[Slot, ...]
    features: tuple[str, ...]
    named: bool
    numbered: bool
    asked: bool
    version: str | None
    decision: str | None
    degraded: bool | None
    reasons: str | None
    label: int | None


def learn(
    line: bytes, exchange: Exchange, wanted: RecordFilter, rows: dict[str, int]
) -> Template | None:
    """The template of a line; None if there is none.

    Args:
        line: A line that was read.
        exchange: What it says.
        wanted: What others of its kind are to be read for.
        rows: The row of each feature's numbers; features that are new get the next one.
    """
    try:
        return _learn(line, exchange, wanted, rows)
    except (UnlearnableError, BadInput):
        return None


def _learn(line: bytes, exchange: Exchange, wanted: RecordFilter, rows: dict[str, int]) -> Template:
    answer = _answer(exchange)
    is_asked = wanted.predictions and len(asked(exchange, 1)) == 1
    text = line.decode("ascii", errors="replace")
    found = scalars(text)
    slots: list[tuple[Scalar, Slot]] = []
    for path, slot in METADATA.items():
        if path in found and found[path].kind == "text":
            slots.append((found[path], slot))
    place = found.get(("captureData", INPUT, "data"))
    if is_asked and place is not None:
        slots += _inside(text, place, REQUEST)
    elif place is not None and place.kind == "text":
        slots.append((place, (kernel.TEXT, kernel.NO_TARGET)))
    features = tuple(exchange.features_of(answer))
    slots += _inside(
        text,
        found["captureData", OUTPUT, "data"],
        _answer_slots(wanted, features, rows),
        optional=MAY_LACK,
    )
    slots.sort(key=lambda slot: slot[0].begin)
    return Template(
        parts=tuple(_parts(line, [scalar for scalar, _ in slots])),
        slots=tuple(slot for _, slot in slots),
        features=features,
        named=exchange.inference_id() is not None,
        numbered=answer.get("transaction_id") is not None,
        asked=is_asked,
        version=answer.get("model_version"),
        decision=answer.get("decision"),
        degraded=answer.get("degraded"),
        reasons=reasons_of(exchange, answer) if answer.get("degraded") is True else None,
        label=label_of(exchange) if wanted.labels and wanted.predictions else None,
    )


def _answer(exchange: Exchange) -> dict[str, Any]:
    """The one response, of the types that the rest takes for granted."""
    side = exchange.document["captureData"][OUTPUT]
    if exchange.is_probe() or not exchange.is_json() or side.get("encoding") == "BASE64":
        raise UnlearnableError
    answers = exchange.answers()
    if not (side["data"].lstrip().startswith("{") and len(answers) == 1):
        raise UnlearnableError
    answer: dict[str, Any] = answers[0]
    exchange.features_of(answer)
    kinds = {"model_version": str, "decision": str, "degraded": bool}
    if any(not isinstance(answer.get(n), kind | None) for n, kind in kinds.items()):
        raise UnlearnableError
    return answer


def _answer_slots(
    wanted: RecordFilter, features: tuple[str, ...], rows: dict[str, int]
) -> dict[Path, Slot]:
    for name in features:
        rows.setdefault(name, SCORE + 1 + len(rows))
    # Without a score there is nothing to predict.
    score = kernel.NUMBER if wanted.predictions else kernel.NUMBER_OR_NULL
    return {
        ("transaction_id",): (kernel.INTEGER, TRANSACTION),
        ("score",): (score, SCORE),
        **{("features", name): (kernel.NUMBER_OR_NULL, rows[name]) for name in features},
    }


def _inside(
    text: str, outer: Scalar, wanted: dict[Path, Slot], optional: Collection[Path] = ()
) -> Iterator[tuple[Scalar, Slot]]:
    """Slots of the JSON text that is inside a JSON text."""
    if outer.kind != "text":
        raise UnlearnableError
    inner, places = unescaped(text[outer.begin : outer.end])
    found = scalars(inner)
    for path, slot in wanted.items():
        scalar = found.get(path)
        if path in optional and (scalar is None or scalar.kind == "literal"):
            continue
        if scalar is None or not _fits(scalar, slot[0], inner):
            raise UnlearnableError
        begin, end = (outer.begin + places[place] for place in (scalar.begin, scalar.end))
        yield Scalar(scalar.kind, begin, end), slot


def _fits(scalar: Scalar, kind: int, text: str) -> bool:
    if kind == kernel.NUMBER_OR_NULL and text[scalar.begin : scalar.end] == "null":
        return True
    kinds = {kernel.TIME: ("text",), kernel.AMOUNT: ("text", "number")}
    return scalar.kind in kinds.get(kind, ("number",))


def _parts(line: bytes, places: list[Scalar]) -> Iterator[bytes]:
    at = 0
    for place in places:
        yield line[at : place.begin]
        at = place.end
    yield line[at:]
