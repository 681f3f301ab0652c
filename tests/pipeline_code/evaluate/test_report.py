"""The report: a page that stands alone, pictures that are the same bytes for the same figures."""

from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline_code.evaluate.assessment import Assessment
from pipeline_code.evaluate.evaluation import measured
from pipeline_code.evaluate.plots import TITLES, draw
from pipeline_code.evaluate.report import write_report
from tests.pipeline_code.quality.some_rows import Row, scored


class Reader(HTMLParser):
    """Collects what a page shows and what it would load; fails if tags do not match."""

    VOID = ("meta", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.pictures: dict[str, bytes] = {}
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        self.links += [str(values[name]) for name in ("src", "href", "action") if name in values]
        assert not any(name.startswith("on") for name in values)
        if tag == "img":
            prefix = "data:image/png;base64,"
            assert str(values["src"]).startswith(prefix)
            content = str(values["src"]).removeprefix(prefix)
            self.pictures[str(values["id"])] = b64decode(content, validate=True)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    @property
    def shown(self) -> str:
        return " ".join(" ".join(self.text).split())


def read(assessment: Assessment, folder: Path) -> Reader:
    write_report(assessment, folder)
    return Reader((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_holds_the_plots_and_needs_nothing_else(
    assessment: Assessment, tmp_path: Path
) -> None:
    page = read(assessment, tmp_path)
    files = {file.stem: file.read_bytes() for file in (tmp_path / "plots").iterdir()}
    assert page.pictures == files
    assert files.keys() == TITLES.keys()
    assert all(link.startswith("data:") for link in page.links)
    assert not page.tags & {"script", "link", "iframe", "object"}


def test_the_page_tells_the_figures(assessment: Assessment, tmp_path: Path) -> None:
    shown = read(assessment, tmp_path).shown
    evaluation = assessment.evaluation
    assert assessment.gate is not None
    for expected in (
        "May be registered",
        str(assessment.gate["reason"]),
        f"average_precision {evaluation.metrics['average_precision'].value:.4f}",
        f"recall {evaluation.rates['recall'].value:.4f}",
        f"the threshold is {evaluation.threshold:.6f}",
        "41 test transactions are left out",
        "activity: occasional",
        f"Expected calibration error {evaluation.calibration.expected_calibration_error:.5f}",
        "terminal_risk_7d",
        f"rounds {assessment.metadata.rounds}",
        "ab" * 32,
    ):
        assert expected in shown


def test_a_refusal_is_shown_as_one(assessment: Assessment, tmp_path: Path) -> None:
    assert assessment.gate is not None
    gate = {**assessment.gate, "passed": False, "reason": "below <the> floor & more"}
    shown = read(replace(assessment, gate=gate), tmp_path).shown
    assert "Refused below <the> floor & more" in shown
    assert "May be registered" not in shown


def test_the_same_assessment_gives_the_same_bytes(assessment: Assessment, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_report(assessment, tmp_path / name)
    one, two = (
        {file.relative_to(tmp_path / name): file.read_bytes() for file in files}
        for name in ("one", "two")
        for files in [[file for file in (tmp_path / name).rglob("*") if file.is_file()]]
    )
    assert one == two
    assert len(one) == 1 + len(TITLES)


def test_pictures_do_not_say_when_or_with_what_they_were_made(assessment: Assessment) -> None:
    for content in draw(assessment).values():
        assert content.startswith(b"\x89PNG")
        assert not {b"tEXt", b"tIME", b"iTXt"} & {content[at : at + 4] for at in _chunks(content)}


def _chunks(content: bytes) -> list[int]:
    """Where each of a PNG file's chunks has its type."""
    places, at = [], 8
    while at < len(content):
        places.append(at + 4)
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return places


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rows",
    [
        [(0, 1, 1, 0.5), (0, 2, 0, 0.5)],
        [(0, 1, 1, 1.0), (0, 2, 0, 0.0)],
        [(0, 1, 1, 0.0), (1, 1, 0, 1.0), (2, 2, 0, 0.3)],
    ],
    ids=["all scores equal", "certain and right", "certain and wrong"],
)
def test_whatever_the_scores_there_is_a_report(
    assessment: Assessment, rows: list[Row], tmp_path: Path
) -> None:
    bare = replace(
        assessment, evaluation=measured(scored(rows), 3), rival=None, gate=None, artifact=None
    )
    page = read(bare, tmp_path)
    assert "Gate" not in page.shown
    threshold = bare.declining.threshold
    declined = "Nothing is declined" if threshold is None else f"what reaches {threshold:.6f}"
    assert declined in page.shown
    assert page.pictures.keys() == TITLES.keys()


def test_a_plot_changes_with_its_figures(assessment: Assessment, test_table: pa.Table) -> None:
    evaluation = assessment.evaluation
    other = measured(
        replace(evaluation.scored, scores=np.sqrt(evaluation.scored.scores)), reviews_per_day=20
    )
    before, after = draw(assessment), draw(replace(assessment, evaluation=other))
    assert before["calibration"] != after["calibration"]
    assert before["scores"] != after["scores"]
    assert before["importance"] == after["importance"]
