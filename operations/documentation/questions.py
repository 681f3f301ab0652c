"""The table of what AWS leaves open, from the embedded AWS's own."""

from local_aws.behaviours.questions import Question, questions
from operations.documentation.pages import markdown_table

__all__ = ["question_table"]


def question_table() -> str:
    """Every question as a row of Markdown, in the table's order."""
    rows = [
        (f"`{each.name}`", each.question, _readings(each), each.rests, _tests(each), _asked(each))
        for each in questions().values()
    ]
    columns = ("name", "question", "readings, the assumed one first", "what hangs on it")
    return markdown_table([(*columns, "tests", "asked"), *rows])


def _readings(question: Question) -> str:
    return "<br>".join(f"`{name}`: {what}" for name, what in question.readings.items())


def _tests(question: Question) -> str:
    return "<br>".join(f"`{node.rpartition('/')[2]}`" for node in question.tests)


def _asked(question: Question) -> str:
    return "yes" if question.unasked is None else f"no: {question.unasked}"
