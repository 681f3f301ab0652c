"""A guess is marked in the code, and the refusals that rest on it say so."""

import ast
import re
from pathlib import Path

import pytest

import local_aws
from local_aws.events import targets
from local_aws.guesses import Guess, explained, forget, guessed, rest_on
from local_aws.sagemaker import roles
from local_aws.stacks import templates

CODE = [
    (path, path.read_text())
    for path in sorted(Path(local_aws.__file__).parent.rglob("*.py"))
    if path.name != "guesses.py"
]
# They refuse nothing: what is guessed is how long, how often, or which of two values is stricter.
SILENT = {Guess.BURSTS, Guess.DIRECT_GRANTS, Guess.LOG_GROUP_ANEW, Guess.PROCESSING_STOPS}
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/other"


def _named(text: str) -> set[str]:
    """The guesses that code names, comments left out."""
    return {
        node.attr
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Guess"
    }


def test_code_names_every_guess_that_refuses() -> None:
    named = {name for _path, text in CODE for name in _named(text)}
    assert named == {guess.name for guess in {*Guess} - SILENT}


@pytest.mark.parametrize("guess", sorted(SILENT))
def test_comments_name_the_others(guess: Guess) -> None:
    assert any(f"Guess.{guess.name}" in text for _path, text in CODE)


def test_no_guess_stands_outside_the_register() -> None:
    found = [path.name for path, text in CODE if re.search(r"\b(a|is|are) guess(ed)?\b", text)]
    assert found == []


@pytest.mark.parametrize(
    ("refusal", "guess"),
    [
        (targets.invalid({"Id": "1", "Arn": BUS}), Guess.BUS_ROLE),
        (
            templates.problem({"Resources": {"A": {"Type": "B", "UpdateReplacePolicy": "Keep"}}}),
            Guess.WORDS,
        ),
        (roles.not_assumable("r", "", *roles.guesses("CreatePipeline")), Guess.ROLE_AT_ONCE),
        (roles.not_assumable("r", "", *roles.guesses("CreateFeatureGroup")), Guess.FEATURE_SOURCE),
    ],
)
def test_a_refusal_says_what_is_guessed(refusal: object, guess: Guess) -> None:
    assert re.search(rf"\(a guess: .*{re.escape(guess)}", str(refusal))


def test_what_is_public_is_no_guess() -> None:
    assert roles.guesses("CreateTrainingJob") == ()
    assert guessed("Access Denied") == "Access Denied"


def test_a_denial_says_what_its_decision_rested_on() -> None:
    rest_on(Guess.MANY_VALUES)
    rest_on(Guess.MANY_VALUES)
    assert explained("denied") == f"denied (a guess: {Guess.MANY_VALUES})"
    forget()
    assert explained("denied") == "denied"
