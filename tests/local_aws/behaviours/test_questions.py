"""The table of open questions: complete, and what it names is there."""

import ast
import itertools
import re
from functools import cache
from pathlib import Path

import pytest

import local_aws
from local_aws.behaviours import playing
from local_aws.behaviours.questions import Question, questions
from local_aws.guesses import Guess, guessed
from local_aws.settings import PROJECT_ROOT

CODE = [path.read_text() for path in Path(local_aws.__file__).parent.rglob("*.py")]
ALL = questions().values()
NAMED = {each.guess for each in ALL} - {None}


@cache
def _played() -> set[tuple[str, str]]:
    """The questions and readings by which code decides."""
    calls = (
        [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
        for text in CODE
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "plays"
    )
    return {(call[0], reading) for call in calls for reading in call[1:]}


def _decided(question: Question) -> set[str]:
    """Readings that code tells from each other; one may be what is left."""
    return {reading for name, reading in _played() if name == question.name}


def test_every_guess_is_a_question() -> None:
    assert {guess.name for guess in Guess} == NAMED


@pytest.mark.parametrize("question", ALL, ids=lambda each: each.name)
def test_the_tests_that_rest_on_it_are_there(question: Question) -> None:
    assert question.tests
    for node in question.tests:
        file, _, name = node.partition("::")
        assert re.search(rf"^def {name}\(", (PROJECT_ROOT / file).read_text(), re.MULTILINE), node


@pytest.mark.parametrize("question", ALL, ids=lambda each: each.name)
def test_every_reading_can_be_played_of_what_is_asked(question: Question) -> None:
    decided = _decided(question)
    assert decided <= question.readings.keys()
    if question.unasked is None:
        assert len(question.readings) - 1 <= len(decided)
    else:
        assert (len(question.readings), decided) == (1, set())


def test_code_decides_by_no_other_question() -> None:
    assert {name for name, _reading in _played()} <= questions().keys()


def test_the_first_reading_is_played_unless_told() -> None:
    try:
        playing.begin({"bus-role": "not-needed"})
        assert playing.plays("bus-role", "not-needed")
        assert playing.plays("hosting-region", "untold")
    finally:
        playing.begin({})
    assert playing.plays("bus-role", "needed")


def test_what_an_account_has_answered_is_no_guess_any_more() -> None:
    unsure = (Guess.BUS_ROLE, Guess.WORDS)
    try:
        playing.begin({"bus-role": "needed"})
        assert guessed("no", *unsure) == f"no (a guess: {Guess.WORDS})"
        assert guessed("no", Guess.BUS_ROLE) == "no"
    finally:
        playing.begin({})


def test_names_are_as_commands_have_them() -> None:
    names = itertools.chain(questions(), *(each.readings for each in ALL))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
