"""A whole run: each question is answered as the embedded AWS plays it, and nothing is left."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from benchmarks.smoke import account, everything
from local_aws.behaviours.questions import questions, read
from operations.smoke.probes import PROBES

ASKED = {name: each for name, each in questions().items() if each.unasked is None}


def _readings(number: int) -> dict[str, str]:
    """Each question's reading of that number, of those that have so many."""
    readings = {name: [*each.readings] for name, each in ASKED.items()}
    return {name: each[number] for name, each in readings.items() if len(each) > number}


def test_every_question_that_is_asked_has_one_probe() -> None:
    probed = [name for probe in PROBES for name in probe.questions]
    assert sorted(probed) == sorted(ASKED)


# The fourth reading of the one question that has four: `neither`.
@pytest.mark.parametrize("number", range(max(len(each.readings) for each in ASKED.values())))
def test_what_is_played_is_seen(number: int, tmp_path: Path, smoke: Callable[..., Result]) -> None:
    played, file = _readings(number), tmp_path / "seen.json"
    only = [option for name in played for option in ("--only", name)] if number > 1 else []
    with account(tmp_path, played) as aws:
        before = everything(aws.session().client)
        done = smoke(aws, "--json", str(file), *only)
        assert everything(aws.session().client) == before
    found: dict[str, Any] = json.loads(file.read_text())
    assert (found["behaviour"], done.exit_code) == (played, 3 if number else 0), done.output
    assert read(file) == played
    said = " ".join(done.output.split())
    for name in played if number else ():
        assert f"{name} is {played[name]} and not {ASKED[name].assumed}" in said
        assert all(node in said for node in ASKED[name].tests)
        assert ASKED[name].guess is None or f"the guess {ASKED[name].guess} was wrong" in said
