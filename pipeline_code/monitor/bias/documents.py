"""Bias in Clarify's documented form: what was measured, and what is allowed.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-processing-job-analysis-results.html
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Self

from pipeline_code.common.exits import BadInput
from pipeline_code.monitor.analysis import CLARIFY_VERSION
from pipeline_code.monitor.bias.figures import DESCRIPTIONS, FLAGGED, MINIMUM, RECALL, Figures
from pipeline_code.monitor.bias.segment_counts import FACETS, Facet
from pipeline_code.quality.bootstrap import Interval

__all__ = ["Constraints", "Measured", "described", "measured_values", "suggest"]

SECTION = "post_training_bias_metrics"
CONFIG = "monitoring_config"

Measured = tuple[Facet, str]


def described(figures: Figures, counts: Mapping[str, float]) -> Any:
    """The document `statistics.json`; a measure that there are too few cases of is null."""

    def entry(of: Measured) -> dict[str, Any]:
        figure = figures.get(of)
        if figure is None:
            return {"value": None, "error": "too few cases in the segment or in the others"}
        return {"value": figure.value, "interval": asdict(figure.interval)}

    return {"version": CLARIFY_VERSION, SECTION: _section(entry), "predictions": dict(counts)}


def _section(entry: Callable[[Measured], dict[str, Any]]) -> dict[str, Any]:
    facets: dict[str, list[Any]] = {}
    for facet in FACETS:
        metrics = [
            {"name": name, "description": description, **entry((facet, name))}
            for name, description in DESCRIPTIONS.items()
        ]
        facets.setdefault(facet.kind.name, []).append(
            {"value_or_threshold": facet.segment, "metrics": metrics}
        )
    return {"label": "is_fraud", "label_value_or_threshold": "1", "facets": facets}


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What bias is allowed.

    Attributes:
        allowed: The range of each measure of each segment.
        values: What the baseline measured, where it could; as Clarify has it, for people to read.
        threshold: The score from which on a transaction is reviewed, for captures without decision.
        minimum: Frauds, or flagged transactions, that a rate is told from.
    """

    allowed: Mapping[Measured, Interval]
    values: Mapping[Measured, float]
    threshold: float
    minimum: int

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Reads the document; a measure that it does not name is not held against anything.

        Raises:
            BadInput: It is not of the documented form, or names a segment that there is not.
        """
        with _documented("constraints"):
            config = document[CONFIG]
            return cls(
                allowed={
                    of: Interval(float(entry["lower"]), float(entry["upper"]))
                    for of, entry in _entries(document)
                },
                values=_values(document),
                threshold=float(config["review_threshold"]),
                minimum=int(config["minimum_cases"]),
            )

    def document(self) -> Any:
        """The document `constraints.json`."""

        def entry(of: Measured) -> dict[str, Any]:
            limits = self.allowed[of]
            return {"value": self.values.get(of), "lower": limits.low, "upper": limits.high}

        config = {"review_threshold": self.threshold, "minimum_cases": self.minimum}
        return {"version": CLARIFY_VERSION, SECTION: _section(entry), CONFIG: config}


def measured_values(statistics: Any) -> Mapping[Measured, float]:
    """The value of each measure that a document `statistics.json` tells.

    Raises:
        BadInput: It is not of the documented form, or names a segment that there is not.
    """
    with _documented("statistics"):
        return _values(statistics)


@contextmanager
def _documented(name: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"baseline {name} must have Clarify's form of post-training bias, got none at "
            f"{error!r}; evaluate the model again to write them anew"
        ) from error


def _values(document: Any) -> Mapping[Measured, float]:
    return {
        of: float(entry["value"]) for of, entry in _entries(document) if entry["value"] is not None
    }


def _entries(document: Any) -> Iterator[tuple[Measured, Any]]:
    known = {(facet.kind.name, facet.segment): facet for facet in FACETS}
    for kind, segments in document[SECTION]["facets"].items():
        for segment in segments:
            name = str(segment["value_or_threshold"])
            if (kind, name) not in known:
                raise BadInput(
                    f"facets of the baseline must be {', '.join(map(str, FACETS))}, got "
                    f"{kind}/{name}; evaluate the model again with this version of the code"
                )
            for metric in segment["metrics"]:
                yield (known[kind, name], str(metric["name"])), metric


def suggest(figures: Figures, *, limit: float, flagged: float, threshold: float) -> Constraints:
    """What a baseline allows: as much as it has itself by chance, and as much as the gate allows.

    Where the baseline has too few cases, the gate's own measure is held against its limit alone,
    and the others against nothing: there is nothing that they could have drifted from.

    Args:
        figures: The baseline's measures.
        limit: How far the gate lets recall differ between segments, and so precision too.
        flagged: The part of the baseline's transactions that is flagged. Segments' own parts may
            differ by as much: flagged ones are so few that any other limit would never be reached.
        threshold: The score from which on a transaction is reviewed.
    """
    allowed = {}
    for facet in FACETS:
        for name in DESCRIPTIONS:
            widest = flagged if name == FLAGGED else limit
            unknown = Interval(0.0, 0.0) if name == RECALL else Interval(-1.0, 1.0)
            figure = figures.get((facet, name))
            measured = unknown if figure is None else figure.interval
            allowed[facet, name] = Interval(min(-widest, measured.low), max(widest, measured.high))
    return Constraints(
        allowed=allowed,
        values={of: figure.value for of, figure in figures.items()},
        threshold=threshold,
        minimum=MINIMUM,
    )
