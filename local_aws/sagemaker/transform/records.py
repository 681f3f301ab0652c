"""Batch transform's processing of records: filters, joins, and inference ids."""

import csv
import io
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.transform.json_paths import Path, parse

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
_ALL = "$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """What is done to each record of a job.

    Args:
        kind: The records' content type.
        input_filter: What of a record the model gets; None is all, untouched.
        output_filter: What of the answer, or of record and answer, is kept; None is all.
        join: Whether a record stays with its answer.
        inference_ids: Whether answers get an id and a time.
    """

    kind: str
    input_filter: Path | None
    output_filter: Path | None
    join: bool
    inference_ids: bool

    @property
    def touches_answers(self) -> bool:
        """Whether answers are more than passed on."""
        return self.join or self.inference_ids or self.output_filter is not None

    def request(self, record: bytes) -> bytes:
        """What the model gets of a record.

        Raises:
            ValueError: If the record cannot be read.
            NoSuchPartError: If it has not what the filter names.
        """
        if self.input_filter is None:
            return record
        return _write(self.input_filter.of(_read(record, self.kind)), self.kind)

    def answer(self, record: bytes, answer: bytes) -> bytes:
        """What is kept of a record's answer.

        Raises:
            ValueError: If either cannot be read.
            NoSuchPartError: If they have not what the filter names.
        """
        if not self.touches_answers:
            return answer
        value = _read(answer, self.kind)
        if self.join:
            value = _joined(_read(record, self.kind), value, self.kind)
        if self.output_filter is not None:
            value = self.output_filter.of(value)
        if self.inference_ids:
            value = _identified(value)
        return _write(value, self.kind)


def processing(request: Mapping[str, Any]) -> Processing:
    """What a CreateTransformJob request wants to be done to its records.

    Raises:
        ServiceError: If a filter cannot be read, or the content type has no records to filter.
    """
    asked = request.get("DataProcessing", {})
    source, output = request["TransformInput"], request["TransformOutput"]
    found = Processing(
        kind=source.get("ContentType", ""),
        input_filter=_filter(asked, "InputFilter"),
        output_filter=_filter(asked, "OutputFilter"),
        join=asked.get("JoinSource") == "Input",
        inference_ids=request.get("DataCaptureConfig", {}).get("GenerateInferenceId", False),
    )
    if found.input_filter is None and not found.touches_answers:
        return found
    if found.kind not in {CSV, JSON, JSON_LINES}:
        raise unsupported(
            f"DataProcessing and GenerateInferenceId for {found.kind or 'no ContentType'}",
            f"use {CSV}, {JSON} or {JSON_LINES}",
        )
    if found.kind != JSON and source.get("SplitType") != "Line":
        raise validation(f"SplitType must be Line for DataProcessing of {found.kind}")
    if found.touches_answers:
        if output.get("Accept", found.kind) != found.kind:
            raise validation(
                f"Accept must be {found.kind} as ContentType is, got {output['Accept']}; records "
                "and answers are joined and filtered in one format"
            )
        if found.kind != JSON and output.get("AssembleWith") != "Line":
            raise validation(f"AssembleWith must be Line for DataProcessing of {found.kind}")
    return found


def _filter(asked: Mapping[str, Any], member: str) -> Path | None:
    text = asked.get(member, _ALL)
    return None if text == _ALL else parse(text, f"DataProcessing.{member}")


def _read(record: bytes, kind: str) -> Any:
    if kind != CSV:
        return json.loads(record)
    rows = list(csv.reader(io.StringIO(record.decode().rstrip("\r\n"))))
    return rows[0] if rows else []


def _write(value: Any, kind: str) -> bytes:
    if kind != CSV:
        return json.dumps(value, ensure_ascii=False).encode()
    row = value if isinstance(value, list) else [value]
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue().encode()


def _joined(record: Any, answer: Any, kind: str) -> Any:
    if kind == CSV:
        return [*record, *answer]
    if isinstance(record, dict):
        return {**record, "SageMakerOutput": answer}
    return {"SageMakerInput": record, "SageMakerOutput": answer}


def _identified(value: Any) -> Any:
    number, moment = str(uuid.uuid4()), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, dict):
        return {**value, "SageMakerInferenceId": number, "SageMakerInferenceTime": moment}
    return [*(value if isinstance(value, list) else [value]), number, moment]
