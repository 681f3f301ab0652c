"""One HTML page of an assessment: verdict, figures, plots and what the model was made of.

The page holds its pictures, loads nothing and runs nothing, so that it can be kept and mailed.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from pipeline_code.common.money import CURRENCY
from pipeline_code.evaluate import report_tables
from pipeline_code.evaluate.assessment import Assessment
from pipeline_code.evaluate.plots import TITLES, draw
from pipeline_code.evaluate.report_tables import number, with_deviation
from pipeline_code.quality.page import figure, page, pairs, paragraph, section, table

__all__ = ["write_report"]

TITLE = "Evaluation of a fraud model"
HEADLINES = ("average_precision", "auc_roc", "card_precision_at_100", "saved_share", "saved_amount")
RATES = ("precision", "recall", "f1", "false_positive_rate", "accuracy")


def write_report(assessment: Assessment, folder: Path) -> None:
    """Writes report.html and plots/*.png."""
    plots = draw(assessment)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for name, content in plots.items():
        (folder / "plots" / f"{name}.png").write_bytes(content)
    (folder / "report.html").write_text(_html(assessment, plots), encoding="utf-8")


def _html(assessment: Assessment, plots: Mapping[str, bytes]) -> str:
    pictures = [
        figure(title, name, b64encode(plots[name]).decode("ascii"))
        for name, title in TITLES.items()
    ]
    return page(
        TITLE,
        [
            f"<h1>{escape(TITLE)}</h1>",
            paragraph(_subtitle(assessment)),
            *_verdict(assessment),
            _windows(assessment),
            _figures(assessment),
            section("Plots", '<div class="plots">', *pictures, "</div>"),
            report_tables.cost(assessment.evaluation),
            report_tables.groups(assessment.evaluation),
            report_tables.bias(assessment.evaluation),
            report_tables.calibration(assessment.evaluation),
            report_tables.importances(assessment.importances),
            _model(assessment),
        ],
    )


def _subtitle(assessment: Assessment) -> str:
    start, end = assessment.test_period
    names = assessment.metadata
    return (
        f"{names.hyperparameters.get('algorithm', 'unknown')} on {len(names.feature_names)} "
        f"features (schema {names.feature_schema_version}), tested from {start} to {end}"
    )


def _verdict(assessment: Assessment) -> Iterable[str]:
    gate = assessment.gate
    if gate is None:
        return
    kind, word = ("passed", "May be registered") if gate["passed"] else ("refused", "Refused")
    yield (
        f'<div class="verdict {kind}"><strong>{word}</strong>{escape(str(gate["reason"]))}</div>'
    )
    yield section(
        "Gate",
        table(
            ["check", "measured", "limit", "verdict"],
            [
                (name, number(check["value"]), number(check["limit"]), _word(check["passed"]))
                for name, check in gate["checks"].items()
            ],
        ),
        paragraph(f"Champion: {gate['champion']}"),
    )


def _windows(assessment: Assessment) -> str:
    rows, metadata = assessment.rows, assessment.metadata
    train = (metadata.train_first_event or "unknown", metadata.train_last_event or "unknown")
    return section(
        "Data",
        table(
            ["window", "from", "to", "transactions", "frauds"],
            [
                ("training", *train, f"{rows['train']:,}", f"{rows['train_frauds']:,}"),
                ("test", *assessment.test_period, f"{rows['test']:,}", f"{rows['test_frauds']:,}"),
            ],
        ),
        paragraph(
            f"{rows['test_removed']:,} test transactions are left out, because their cards were "
            "known to be compromised; a bank blocks those."
        ),
    )


def _figures(assessment: Assessment) -> str:
    evaluation = assessment.evaluation
    ranking = [(name, *with_deviation(evaluation.metrics[name])) for name in HEADLINES]
    decisions = [(name, *with_deviation(evaluation.rates[name])) for name in RATES]
    columns = ["figure", "value", "deviation"]
    return section(
        "Figures",
        table(columns, ranking),
        paragraph(
            f"With {evaluation.reviews_per_day} cards reviewed a day, the threshold is "
            f"{evaluation.threshold:.6f}; these reviews find {evaluation.card_recall:.1%} of the "
            f"compromised cards, and {evaluation.reviewed.card_precision:.1%} of them find one. "
            "Of calling a fraud what reaches the threshold:"
        ),
        table(columns, decisions),
        paragraph(_declining(assessment)),
        paragraph(f"Deviations are those of other cards on the same days. Amounts in {CURRENCY}."),
    )


def _declining(assessment: Assessment) -> str:
    declining = assessment.declining
    if declining.threshold is None:
        return (
            f"Nothing is declined: from no score on are {declining.precision:.1%} of the "
            "transactions frauds."
        )
    return (
        f"Declined is what reaches {declining.threshold:.6f}: from there on at least "
        f"{declining.precision:.1%} of the transactions are frauds, {declining.recall:.1%} of all "
        "frauds among them."
    )


def _model(assessment: Assessment) -> str:
    metadata, artifact = assessment.metadata, assessment.artifact
    made: list[tuple[str, object]] = [
        ("feature schema version", metadata.feature_schema_version),
        ("rounds", metadata.rounds),
        ("calibration slope", f"{metadata.calibration.slope:.6g}"),
        ("calibration intercept", f"{metadata.calibration.intercept:.6g}"),
        *((f"validation: {name}", f"{value:.6g}") for name, value in metadata.validation.items()),
        *metadata.hyperparameters.items(),
    ]
    if artifact is not None:
        made += [
            ("SHA-256 of the archive", artifact.sha256),
            ("size", f"{artifact.size:.3f} MiB"),
            ("latency of one transaction", f"{artifact.latency:.3f} ms"),
        ]
    return section("Model", pairs(made))


def _word(passed: bool) -> str:
    return "passed" if passed else "failed"
