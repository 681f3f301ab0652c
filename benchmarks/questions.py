"""Whether the tests that are named beside each open question of AWS's rest on it.

    python -m benchmarks.questions --json -

For each question that an account is asked, the tests that `local_aws/behaviours/questions.toml`
names are run on an embedded AWS that plays another reading than the assumed one. Some of them must
fail: then a wrong guess is named with what rests on it. Tests that play a reading by themselves are
left out.

JSON: questions; falling, how many tests fail; unmoved, the tests that pass, by question.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import add_json, show
from local_aws.behaviours.questions import Question, questions, write
from local_aws.settings import BEHAVIOUR_VARIABLE
from operations.target import PROJECT_ROOT

# They say themselves what is played.
_THEIR_OWN = ("behaviours/test_turned.py", "lambdas/test_unknowns.py")
_FAILED = 1


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", help="a question; may be repeated")
    add_json(parser)
    arguments = parser.parse_args()
    asked = [
        each
        for each in questions().values()
        if each.unasked is None and (arguments.only is None or each.name in arguments.only)
    ]
    falling, unmoved = 0, dict[str, list[str]]()
    for question in asked:
        passing = [node for node in _tests(question) if not _fails(node, question)]
        falling += len(_tests(question)) - len(passing)
        if passing:
            unmoved[question.name] = passing
    result = {"questions": len(asked), "falling": falling, "unmoved": unmoved}
    show(result, arguments.json)


def _tests(question: Question) -> list[str]:
    return [node for node in question.tests if not any(each in node for each in _THEIR_OWN)]


def _fails(node: str, question: Question) -> bool:
    """Whether a test fails where the question's second reading is played."""
    with tempfile.TemporaryDirectory(prefix="questions-") as folder:
        file = Path(folder) / "told.json"
        write(file, {question.name: [*question.readings][1]})
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", node],
            cwd=PROJECT_ROOT,
            env={**os.environ, BEHAVIOUR_VARIABLE: str(file)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    return done.returncode == _FAILED


if __name__ == "__main__":
    main()
