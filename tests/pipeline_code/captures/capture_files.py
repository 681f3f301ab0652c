"""Captures as an endpoint leaves them."""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline_code.features.definitions import FEATURE_NAMES

NOON = "2024-03-01T12:00:00Z"


def answer(features: Mapping[str, Any]) -> dict[str, Any]:
    return {"transaction_id": 1, "score": 0.1, "model_version": "1", "features": dict(features)}


def line(
    data: str, *, encoding: str = "JSON", kind: str = "application/json", time: str = NOON
) -> str:
    return json.dumps(
        {
            "captureData": {
                "endpointInput": {
                    "observedContentType": "application/json",
                    "mode": "INPUT",
                    "data": "{}",
                    "encoding": "JSON",
                },
                "endpointOutput": {
                    "observedContentType": kind,
                    "mode": "OUTPUT",
                    "data": data,
                    "encoding": encoding,
                },
            },
            "eventMetadata": {"eventId": "e", "inferenceId": "1", "inferenceTime": time},
            "eventVersion": "0",
        }
    )


def answer_line(features: Mapping[str, Any], **options: str) -> str:
    return line(json.dumps(answer(features)), **options)


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def write_lines(folder: Path, lines: Iterable[str], name: str = "00-00-001-a.jsonl") -> Path:
    file = folder / "fraud" / "primary" / "2024" / "03" / "01" / "12" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def capture_rows(folder: Path, rows: pa.Table) -> Path:
    """One exchange a row, as if the endpoint had answered with its features."""
    vectors = rows.select(list(FEATURE_NAMES)).to_pylist()
    return write_lines(folder, (answer_line(vector) for vector in vectors))
