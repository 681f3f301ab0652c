"""Responses as bytes, in any of the contract's four forms."""

import orjson

from pipeline_code.contracts.serving import CSV, JSON_LINES, PARQUET
from pipeline_code.serve.parquet import answers_as_parquet
from pipeline_code.serve.scoring import ScoringResponse

__all__ = ["render"]


def render(answers: ScoringResponse, media_type: str, *, single: bool) -> bytes:
    """The body of a response; a float is the shortest text that reads back the same.

    Args:
        answers: What became of the request.
        media_type: One of the contract's.
        single: Whether JSON is one object, not an array.
    """
    if media_type == CSV:
        return "\n".join(map(repr, answers.scores)).encode()
    if media_type == PARQUET:
        return answers_as_parquet(
            answers.ids, answers.scores, answers.decisions, answers.model_version
        )
    documents = answers.documents()
    if media_type == JSON_LINES:
        lines = (orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in documents)
        return b"".join(lines)
    return orjson.dumps(documents[0] if single else documents)
