"""Which analysis a kind is, and what it is given."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline_code.monitor.analysis import Analysis, Measure, Violation
from pipeline_code.monitor.captures import read_captures
from pipeline_code.monitor.chunks import Tally
from pipeline_code.monitor.columns import columns_of
from pipeline_code.monitor.constraints import Constraints
from pipeline_code.monitor.datasets import SCORE, read_dataset
from pipeline_code.monitor.kinds import MonitorKind
from pipeline_code.monitor.settings import Settings
from pipeline_code.monitor.statistics import Baseline, describe
from pipeline_code.monitor.violations import analyze

__all__ = ["analyze_by_kind"]

Documents = tuple[Any, Any]
Analyze = Callable[[Settings, Documents, Tally], Analysis]


def analyze_by_kind(
    settings: Settings, statistics: Any, constraints: Any
) -> tuple[Analysis, Tally]:
    """Reads what is to be judged and judges it; the tally says how much there was of what.

    Raises:
        BadInput: Something that is read is not what it must be.
    """
    tally = Tally()
    return _ANALYSES[settings.kind](settings, (statistics, constraints), tally), tally


def _data_quality(settings: Settings, documents: Documents, tally: Tally) -> Analysis:
    statistics, constraints = documents
    baselines = Baseline.parse(statistics)
    if settings.is_batch:
        batch = read_dataset(Path(settings.source), settings.dataset_format)
        columns, tally.records, tally.files = batch.columns, batch.count, batch.files
        scores = {} if batch.scores is None else {SCORE: batch.scores}
    else:
        captures = read_captures(Path(settings.source), settings.interval)
        columns, scores = columns_of(captures.features), {}
        tally.records, tally.files = len(captures.features), captures.files
        tally.outside, tally.unmonitored = captures.outside, captures.unmonitored
        tally.probes = captures.probes
    old = analyze(columns, tally.records, Constraints.parse(constraints), baselines)
    buckets = {name: baseline.buckets for name, baseline in baselines.items()}
    return Analysis(
        kind=MonitorKind.DATA_QUALITY,
        records=tally.records,
        statistics=describe({**columns, **scores}, tally.records, buckets),
        violations=tuple(
            Violation(
                v.feature_name,
                v.constraint_check_type,
                v.description,
                {"feature_name": v.feature_name},
            )
            for v in old.violations
        ),
        measures=tuple(
            Measure(metric="FeatureDrift", value=value, dimensions={"Feature": name})
            for name, value in old.distances.items()
        ),
    )


_ANALYSES: Mapping[MonitorKind, Analyze] = MappingProxyType(
    {MonitorKind.DATA_QUALITY: _data_quality}
)
