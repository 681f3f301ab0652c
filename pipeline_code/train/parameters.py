"""Hyperparameters: their names, defaults and limits, and how SageMaker's strings become values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES

# The SDKs add hyperparameters of their own, such as `sagemaker_region`, and tuning jobs add
# `_tuning_objective_metric`; they are none of ours.
RESERVED_PREFIXES = ("sagemaker_", "_tuning_")

# More reported fraud of late never makes a terminal safer. Over longer windows it can: the trouble
# that a high risk of 30 days tells of may be over. Of those, what this version of the features has.
RISKS_THAT_ONLY_RAISE = tuple(
    name
    for name in ("terminal_risk_1d", "terminal_risk_2d", "terminal_risk_7d")
    if name in FEATURE_NAMES
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a fit depends on besides its rows.

    Parameters.parse({"rounds": "20"})  # every other value at its default

    The defaults were chosen on the protocol's validation folds (training starts 2018-07-11 and the
    three weeks before), for seven days of training; docs/detection.md says what each brought.

    Attributes:
        algorithm: Who learns: xgboost or scikit-learn.
        rounds: Rounds of boosting, at most if they are stopped early.
        trees_per_round: Trees of one round, which share its step.
        max_depth: Splits above a leaf, at most.
        learning_rate: The step of a round.
        row_share: Rows that a round sees.
        feature_share: Features that a split chooses among.
        min_child_weight: What a leaf must hold of the loss's second derivative.
        l2_penalty: Of a leaf's value.
        positive_weight: How many genuine rows a fraud counts as; calibration takes it back.
        seed: Of all that is drawn.
        early_stopping_rounds: Rounds without a lower log loss on the validation slice after which
            the search for their number ends; 0 takes all.
        validation_days: The latest days, which measure, stop and calibrate a model of the earlier
            ones before one of all days is fitted; 0 for none of this.
        calibrate: Whether the slice, if there is one, calibrates.
        increasing_features: Names, with commas between: more of one never lowers a score.
        allow_constant_features: Whether a feature may have one value in all rows.
        device: cpu or cuda.
        external_memory: Whether the matrix lies on the disk: on, off, or auto for if it must.
        checkpoint_seconds: Seconds between two checkpoints.

    Raises:
        BadInput: If a value is outside its limits, or a name is unknown.
    """

    algorithm: str = "xgboost"
    rounds: int = 65
    trees_per_round: int = 6
    max_depth: int = 6
    learning_rate: float = 0.1
    row_share: float = 1.0
    feature_share: float = 0.5
    min_child_weight: float = 1.0
    l2_penalty: float = 1.0
    positive_weight: float = 1.0
    seed: int = 7
    early_stopping_rounds: int = 0
    validation_days: int = 0
    calibrate: bool = True
    increasing_features: str = ",".join(RISKS_THAT_ONLY_RAISE)
    allow_constant_features: bool = False
    device: str = "cpu"
    external_memory: str = "auto"
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name, lowest, highest in _LIMITS:
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise BadInput(
                    f"hyperparameter {name} must be between {lowest} and {highest}, got {value}"
                )
        for name, choices in _CHOICES:
            value = getattr(self, name)
            if value not in choices:
                raise BadInput(
                    f"hyperparameter {name} must be one of {', '.join(choices)}, got {value}"
                )
        if self.early_stopping_rounds > 0 and self.validation_days == 0:
            raise BadInput(
                "hyperparameter validation_days must be at least 1 if rounds are stopped early, "
                "got 0; give it, or early_stopping_rounds of 0"
            )

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Reads the strings of hyperparameters.json."""
        types = {field.name: field.type for field in fields(cls)}
        given = {name: text for name, text in raw.items() if not name.startswith(RESERVED_PREFIXES)}
        unknown = sorted(given.keys() - types.keys())
        if unknown:
            raise BadInput(
                f"hyperparameters must be among {', '.join(types)}, got {', '.join(unknown)}"
            )
        return cls(**{name: _value(name, types[name], text) for name, text in given.items()})

    def as_dict(self) -> dict[str, Any]:
        """Names and values, for the model's metadata."""
        return asdict(self)

    def increasing(self, names: Sequence[str]) -> tuple[bool, ...]:
        """Which of these features may never lower a score as they grow.

        Raises:
            BadInput: `increasing_features` names one that is neither among them nor a feature of
                this code, some of which a model may do without.
        """
        wanted = {name.strip() for name in self.increasing_features.split(",") if name.strip()}
        unknown = sorted(wanted.difference(names, FEATURE_NAMES))
        if unknown:
            raise BadInput(
                f"hyperparameter increasing_features must be among {', '.join(names)}, "
                f"got {', '.join(unknown)}"
            )
        return tuple(name in wanted for name in names)


_LIMITS = (
    ("rounds", 1, 10_000),
    ("trees_per_round", 1, 1_000),
    ("max_depth", 1, 16),
    ("learning_rate", 0.001, 1.0),
    ("row_share", 0.05, 1.0),
    ("feature_share", 0.05, 1.0),
    ("min_child_weight", 0.0, 1e6),
    ("l2_penalty", 0.0, 1e6),
    ("positive_weight", 1e-3, 1e6),
    ("seed", 0, 2**31 - 1),
    ("early_stopping_rounds", 0, 10_000),
    ("validation_days", 0, 3_650),
    ("checkpoint_seconds", 0.0, 86_400.0),
)
_CHOICES = (
    ("algorithm", ("xgboost", "scikit-learn")),
    ("device", ("cpu", "cuda")),
    ("external_memory", ("auto", "on", "off")),
)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def _value(name: str, kind: Any, text: Any) -> Any:
    # SDK v3 sends JSON-encoded values, which puts quotes around a string; v2 sends them bare.
    bare = str(text).strip().strip('"')
    try:
        return _truth(bare) if kind is bool else kind(bare)
    except ValueError as error:
        raise BadInput(
            f"hyperparameter {name} must be of type {kind.__name__}, got {bare!r}"
        ) from error


def _truth(text: str) -> bool:
    # bool("false") is true.
    if text.lower() not in _TRUTHS:
        raise ValueError(text)
    return _TRUTHS[text.lower()]
