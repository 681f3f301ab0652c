"""The dispatch from a kind to its analysis.

What only one kind needs is imported where that kind is: an hourly look at data quality need not
load the model's library.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import boto3
from botocore.exceptions import ClientError

from pipeline_code.captures.chunks import Chunk, Tally
from pipeline_code.captures.datasets import score_chunks
from pipeline_code.captures.reading import read_chunks
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import Analysis
from pipeline_code.monitor.data_quality import analysis as data_quality
from pipeline_code.monitor.data_quality.profiles import describe
from pipeline_code.monitor.data_quality.sketches import Sketch
from pipeline_code.monitor.settings import AnalysisSettings

if TYPE_CHECKING:
    from pipeline_code.captures.ground_truth import LabelledRecords
    from pipeline_code.train.model import Model

__all__ = ["analyze_by_kind"]

Analyze = Callable[[AnalysisSettings, Tally, Any, Any], Analysis]


def analyze_by_kind(
    settings: AnalysisSettings, statistics: Any, constraints: Any
) -> tuple[Analysis, Tally]:
    """Reads what is to be judged and judges it; the tally says how much there was of what.

    Args:
        settings: What is read, and what for.
        statistics: The baseline's `statistics.json`, of the same kind.
        constraints: The baseline's `constraints.json`, of the same kind.

    Raises:
        BadInput: Something that is read is not what it must be.
    """
    tally = Tally()
    return _ANALYSES[settings.kind](settings, tally, statistics, constraints), tally


def _data_quality(
    settings: AnalysisSettings, tally: Tally, statistics: Any, constraints: Any
) -> Analysis:
    analysis = data_quality.analyze(_chunks(settings, tally), statistics, constraints)
    return _with_scores(analysis, settings) if settings.is_batch else analysis


def _model_quality(
    settings: AnalysisSettings, tally: Tally, statistics: Any, constraints: Any
) -> Analysis:
    from pipeline_code.monitor.model_quality.analysis import analyze  # noqa: PLC0415

    return analyze(_labelled(settings, tally), statistics, constraints)


def _bias(settings: AnalysisSettings, tally: Tally, statistics: Any, constraints: Any) -> Analysis:
    from pipeline_code.monitor.bias.analysis import analyze  # noqa: PLC0415

    return analyze(_labelled(settings, tally), statistics, constraints)


def _attribution(
    settings: AnalysisSettings, tally: Tally, statistics: Any, constraints: Any
) -> Analysis:
    from pipeline_code.monitor.attribution.analysis import analyze  # noqa: PLC0415

    model = _model(settings.model_data, settings.model_digest or "")
    return analyze(_chunks(settings, tally), model, statistics, constraints)


_ANALYSES: Mapping[MonitorKind, Analyze] = MappingProxyType(
    {
        MonitorKind.DATA_QUALITY: _data_quality,
        MonitorKind.MODEL_QUALITY: _model_quality,
        MonitorKind.BIAS: _bias,
        MonitorKind.ATTRIBUTION: _attribution,
    }
)


def _chunks(settings: AnalysisSettings, tally: Tally) -> Iterator[Chunk]:
    return read_chunks(
        settings.source,
        settings.dataset_format,
        settings.interval,
        tally,
        model_version=settings.model_version,
        with_predictions=settings.kind.needs_labels,
    )


def _labelled(settings: AnalysisSettings, tally: Tally) -> "Iterator[LabelledRecords]":
    from pipeline_code.captures.ground_truth import with_labels  # noqa: PLC0415

    # Merged captures bring their labels, so that nothing is looked for beside them.
    source = settings.source if settings.ground_truth is None else settings.ground_truth
    return with_labels(_chunks(settings, tally), source, settings.interval)


def _with_scores(analysis: Analysis, settings: AnalysisSettings) -> Analysis:
    """The analysis of a batch, with what its model answered among the statistics."""
    scores = Sketch({data_quality.SCORE: data_quality.SCORES})
    for chunk in score_chunks(Path(settings.source), settings.dataset_format):
        scores.add(chunk)
    described = describe(scores.summaries(), scores.records)["features"]
    features = [*analysis.statistics["features"], *described]
    return replace(analysis, statistics={**analysis.statistics, "features": features})


def _model(place: Path | str | None, digest: str) -> "Model":
    """The model inside an archive, on this machine or in S3, if it has the digest."""
    from pipeline_code.train.archive import MODEL_ARCHIVE, load_archive  # noqa: PLC0415

    if isinstance(place, Path):
        if not place.is_file():
            raise BadInput(f"MODEL_DATA_URI must name a file, got {place}, which is not there")
        return load_archive(place, digest)
    location = urlparse(place or "")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / MODEL_ARCHIVE
        try:
            boto3.client("s3").download_file(
                location.netloc, location.path.lstrip("/"), str(archive)
            )
        except ClientError as error:
            raise BadInput(
                f"MODEL_DATA_URI must name an object that can be read, got {place}: {error}"
            ) from error
        return load_archive(archive, digest)
