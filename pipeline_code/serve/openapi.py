"""The server's OpenAPI description, made of the declarations that it works by.

python -m pipeline_code.serve.openapi docs/serving-openapi.json
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_code.common.fields import AMOUNT_FORM, LARGEST_ID, TIME_FORM
from pipeline_code.common.money import LARGEST_MINOR, MINOR_PER_UNIT
from pipeline_code.contracts.serving import (
    ATTRIBUTES_HEADER,
    CAPTURE_CONTRACT,
    CSV,
    JSON,
    JSON_LINES,
    MOST_FEATURE_ROWS,
    MOST_TRANSACTIONS,
    PARQUET,
    TRANSACTION_FIELDS,
    Decision,
    Reason,
)
from pipeline_code.features.definitions import FEATURE_NAMES, FEATURES, SCHEMA_VERSION
from pipeline_code.serve.negotiation import MOST_REASON_CODES, REASON_CODES, STATE_CACHE
from pipeline_code.serve.refusals import BAD_REQUEST, NOT_ACCEPTABLE, TOO_LARGE, UNSUPPORTED
from pipeline_code.serve.rows import LARGEST_VALUE, TRANSACTION_ID

__all__ = ["description"]

Schema = dict[str, Any]

ID: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
NUMBER: Schema = {"type": "number", "minimum": -LARGEST_VALUE, "maximum": LARGEST_VALUE}
SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
REFUSALS: Mapping[int, str] = {
    BAD_REQUEST: "a rule is broken; the reason says which",
    NOT_ACCEPTABLE: "the header accept allows none of the four forms",
    TOO_LARGE: "the body is too long, or asks for too many answers",
    UNSUPPORTED: "the body is in none of the four forms",
}


def description() -> Schema:
    """The document; the same declarations give the same one."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fraudloop model server",
            "version": f"{SCHEMA_VERSION}.{CAPTURE_CONTRACT}",
            "description": "Scores card transactions; see docs/serving.md.",
        },
        "paths": {
            "/ping": {"get": _get("Whether the model scores.", {"status": {"const": "ok"}})},
            "/execution-parameters": {
                "get": _get(
                    "What batch transform may send.",
                    {
                        "MaxConcurrentTransforms": {"type": "integer", "minimum": 1},
                        "BatchStrategy": {"const": "MULTI_RECORD"},
                        "MaxPayloadInMB": {"type": "integer", "minimum": 1},
                    },
                )
            },
            "/invocations": {"post": _invocations()},
        },
        "components": {"schemas": _schemas()},
    }


def _get(summary: str, properties: Schema) -> Schema:
    answer = {"description": "so it is", "content": {JSON: {"schema": _object(properties)}}}
    return {"summary": summary, "responses": {"200": answer, "500": _refusal("it does not")}}


def _invocations() -> Schema:
    asked = [_schema("Transaction"), _schema("FeatureRow")]
    answers = [_schema("Answer"), _schema("RowAnswer")]
    return {
        "summary": "Scores raw transactions or feature rows.",
        "parameters": [
            {
                "name": ATTRIBUTES_HEADER,
                "in": "header",
                "description": f"{REASON_CODES}=1 to {MOST_REASON_CODES}; {STATE_CACHE}=on or off; "
                "others are ignored.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"oneOf": [*asked, *_arrays()]}},
                JSON_LINES: {"schema": {"oneOf": asked}},
                CSV: {"schema": _text(f"a row a line: {', '.join(FEATURE_NAMES)}")},
                PARQUET: {"schema": _text("columns as in FeatureRow; uncompressed or Snappy")},
            },
        },
        "responses": {
            "200": {
                "description": "An answer to each, in the same order.",
                "content": {
                    JSON: {
                        "schema": {
                            "oneOf": [*answers, {"type": "array", "items": {"oneOf": answers}}]
                        }
                    },
                    JSON_LINES: {"schema": {"oneOf": answers}},
                    CSV: {"schema": _text("a score a line")},
                    PARQUET: {"schema": _text("transaction_id, score, decision, model_version")},
                },
            },
            **{str(status): _refusal(meaning) for status, meaning in REFUSALS.items()},
            "500": _refusal("a defect of the server; its log says where"),
        },
    }


def _arrays() -> list[Schema]:
    most = {"Transaction": MOST_TRANSACTIONS, "FeatureRow": MOST_FEATURE_ROWS}
    return [
        {"type": "array", "items": _schema(name), "minItems": 1, "maxItems": length}
        for name, length in most.items()
    ]


def _schemas() -> Schema:
    units = {feature.name: feature.unit for feature in FEATURES}
    features = {name: NUMBER | {"description": units[name]} for name in FEATURE_NAMES}
    common = {
        TRANSACTION_ID: ID,
        "score": SCORE,
        "decision": {"enum": [*map(str, Decision), None]},
        "model_version": {"type": "string"},
        "features": _object(features),
        "reason_codes": {"type": "array", "items": _schema("ReasonCode")},
    }
    degraded = {
        "degraded": {"type": "boolean"},
        "degraded_reasons": {
            "type": "array",
            "items": {"enum": [*map(str, Reason)]},
            "description": "; ".join(f"{reason}: {reason.meaning}" for reason in Reason),
        },
    }
    return {
        "Transaction": _object({name: _transaction_field(name) for name in TRANSACTION_FIELDS}),
        "FeatureRow": _object({TRANSACTION_ID: ID, **features}, optional=[TRANSACTION_ID]),
        "Answer": _object({**common, **degraded}, optional=["reason_codes"]),
        "RowAnswer": _object(common, optional=[TRANSACTION_ID, "reason_codes"]),
        "ReasonCode": _object(
            {"feature": {"enum": [*FEATURE_NAMES]}, "contribution": {"type": "number"}}
        ),
        "Error": _object({"error": {"type": "string", "minLength": 1}}),
    }


def _transaction_field(name: str) -> Schema:
    if name == "event_time":
        return {"type": "string", "pattern": _whole(TIME_FORM.pattern), "format": "date-time"}
    if name == "amount":
        most = LARGEST_MINOR / MINOR_PER_UNIT
        return {
            "description": "currency units, with at most two decimals",
            "oneOf": [
                {"type": "string", "pattern": _whole(AMOUNT_FORM.pattern)},
                {"type": "number", "minimum": 0, "maximum": most},
            ],
        }
    return ID


def _object(properties: Schema, optional: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in (optional or [])],
        "additionalProperties": False,
    }


def _schema(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(meaning: str) -> Schema:
    return {"type": "string", "description": meaning}


def _refusal(meaning: str) -> Schema:
    return {"description": meaning, "content": {JSON: {"schema": _schema("Error")}}}


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(description(), indent=2) + "\n", encoding="utf-8")
