"""The attributions of scores to features (global SHAP values), and how two weeks compare.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-model-monitor-feature-attribution-drift.html

Two figures compare them. The agreement of the rankings is Clarify's nDCG: 1 if the features that
moved scores most still do so in this order. It counts places, so two features that moved them about
equally much and change places cost as much as a real change. The shift is the part of all
contributions that has gone from some features to others, which is what a change of the inputs does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.monitor.analysis import CLARIFY_VERSION

__all__ = [
    "LABEL",
    "METHOD",
    "Attributions",
    "agreement",
    "described",
    "shares",
    "shift",
]

Floats = npt.NDArray[np.float64]

# Clarify's placeholder for the one label there is, and its name of the method's section. The values
# are TreeSHAP's, which are exact where the kernel method draws samples.
LABEL = "label0"
METHOD = "kernel_shap"


def agreement(expected: Floats, found: Floats) -> float:
    """The normalized discounted cumulative gain: what was expected, in the order that was found."""
    discounts = 1 / np.log2(np.arange(len(expected)) + 2)
    ideal, gained = (
        float(expected[np.argsort(-order, kind="stable")] @ discounts)
        for order in (expected, found)
    )
    return gained / ideal if ideal else 1.0


def shares(sizes: Floats) -> Floats:
    """Each feature's part of all contributions; 0 if there are none."""
    total = sizes.sum()
    parts: Floats = sizes / total if total else np.zeros(len(sizes))
    return parts


def shift(expected: Floats, found: Floats) -> float:
    """The part of all contributions that has changed its feature, between 0 and 1."""
    return float(np.abs(shares(found) - shares(expected)).sum() / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """What a model's scores were made of.

    Attributes:
        names: The features, in the model's order.
        sizes: The mean size of each one's contributions, in log-odds.
        expected_value: What a score starts from, in log-odds.
    """

    names: tuple[str, ...]
    sizes: Floats
    expected_value: float

    @classmethod
    def of(cls, names: Sequence[str], contributions: npt.NDArray[np.float32]) -> Self:
        """Of contributions, a row a record, with the base in the last column."""
        sizes = np.abs(contributions[:, :-1], dtype=np.float64).mean(axis=0)
        return cls(tuple(names), sizes, float(contributions[:, -1].mean(dtype=np.float64)))

    @classmethod
    def parse(cls, document: Any, name: str) -> Self:
        """Reads the part of a document that `explanations` writes.

        Raises:
            BadInput: It is not of the documented form; `name` is what the message calls it.
        """
        try:
            found = document["explanations"][METHOD][LABEL]
            values = {str(key): float(value) for key, value in found["global_shap_values"].items()}
            sizes = np.array(list(values.values()), np.float64)
            if not (len(sizes) and np.isfinite(sizes).all() and (sizes >= 0).all()):
                raise ValueError("global_shap_values")
            return cls(tuple(values), sizes, float(found["expected_value"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                f"{name} must have Clarify's form of an explanation, got none at {error}; "
                "evaluate the model again to write it anew"
            ) from error

    def explanations(self) -> dict[str, Any]:
        """The documented section."""
        values = dict(zip(self.names, self.sizes.tolist(), strict=True))
        label = {"global_shap_values": values, "expected_value": self.expected_value}
        return {METHOD: {LABEL: label}}

    def shares(self) -> Mapping[str, float]:
        """Each feature's part of all contributions."""
        return dict(zip(self.names, shares(self.sizes).tolist(), strict=True))

    def moved(self, found: "Attributions", count: int) -> list[str]:
        """The features whose share has changed most, in words."""
        before, after = self.shares(), found.shares()
        order = sorted(self.names, key=lambda name: -abs(after[name] - before[name]))
        return [f"{name} {before[name]:.1%} to {after[name]:.1%}" for name in order[:count]]


def described(
    found: Attributions | None, *, records: int, explained: int, incomplete: int
) -> dict[str, Any]:
    """The document `statistics.json`.

    Args:
        found: What scores were made of; None if there were none.
        records: All that there were.
        explained: Those among them that were drawn and explained.
        incomplete: Those among all that lacked a feature.
    """
    return {
        "version": CLARIFY_VERSION,
        "explanations": {} if found is None else found.explanations(),
        "shares": {} if found is None else dict(found.shares()),
        "records": {"all": records, "explained": explained, "incomplete": incomplete},
    }
