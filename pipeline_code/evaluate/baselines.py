"""The monitors' baselines that need the model; a deployed version is compared with them."""

import json
from pathlib import Path
from typing import Any

from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.evaluate.evaluation import Evaluation
from pipeline_code.monitor.attribution import baseline as attribution_baseline
from pipeline_code.monitor.bias import baseline as bias_baseline
from pipeline_code.monitor.model_quality import baseline as model_quality_baseline
from pipeline_code.quality.importance import ExplainedSample
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows

__all__ = ["write_baselines"]


def write_baselines(
    model: Model,
    rows: FeatureRows,
    evaluation: Evaluation,
    *,
    explained: ExplainedSample,
    bias_limit: float,
    folder: Path,
) -> None:
    """Writes statistics.json and constraints.json of each kind into a folder of its name.

    Args:
        model: The model that was evaluated.
        rows: All test rows, those of cards known to be compromised too: the endpoint is asked about
            them as well.
        evaluation: Whose threshold for reviews the model is registered with.
        explained: Some of the rows, explained by the model.
        bias_limit: How far the gate lets recall differ between customer segments.
        folder: The evaluation's output.
    """
    scored = ScoredRows.of(model, rows)
    baselines = {
        MonitorKind.MODEL_QUALITY: model_quality_baseline.compute(
            scored, threshold=evaluation.threshold, reviews_per_day=evaluation.reviews_per_day
        ),
        MonitorKind.BIAS: bias_baseline.compute(
            scored, threshold=evaluation.threshold, limit=bias_limit
        ),
        MonitorKind.ATTRIBUTION: attribution_baseline.compute(explained, rows),
    }
    for kind, (statistics, constraints) in baselines.items():
        _write(folder / kind / "statistics.json", statistics)
        _write(folder / kind / "constraints.json", constraints)


def _write(file: Path, document: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")
