"""One HTML page of an assessment: verdict, figures, plots and what the model was made of.

The page holds its pictures, loads nothing and runs nothing, so that it can be kept and mailed.
"""

from base64 import b64encode
from pathlib import Path

from pipeline_code.common.money import CURRENCY
from pipeline_code.evaluate.assessment import Assessment
from pipeline_code.evaluate.plots import TITLES, draw
from pipeline_code.quality.page import render

__all__ = ["write_report"]

HEADLINES = ("average_precision", "auc_roc", "card_precision_at_100", "saved_share", "saved_amount")
RATES = ("precision", "recall", "f1", "false_positive_rate", "accuracy")


def write_report(assessment: Assessment, folder: Path) -> None:
    """Writes report.html and plots/*.png."""
    plots = draw(assessment)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for name, content in plots.items():
        (folder / "plots" / f"{name}.png").write_bytes(content)
    page = render(
        "evaluate/report.html.j2",
        title="Evaluation of a fraud model",
        assessment=assessment,
        currency=CURRENCY,
        groups={"scenario": assessment.evaluation.scenarios, **assessment.evaluation.segments},
        headlines=HEADLINES,
        plots={name: b64encode(content).decode("ascii") for name, content in plots.items()},
        rates=RATES,
        titles=TITLES,
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
