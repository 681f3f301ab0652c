"""One trained model: what scores rows, and the metadata that says what it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION
from pipeline_code.train import boosted_trees
from pipeline_code.train.parameters import Parameters

METADATA_FILE = "metadata.json"

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]
Scores = npt.NDArray[np.float32]


class Scorer(Protocol):
    """What an algorithm makes of training rows."""

    def predict(self, rows: Matrix) -> Scores:
        """One score between 0 and 1 per row, whatever the rows beside it."""

    def save(self, folder: Path) -> None:
        """Writes the scorer's own file or files; the same scorer gives the same bytes."""


class Algorithm(Protocol):
    """A way to learn; a module or class with these two functions, entered in `ALGORITHMS`."""

    def fit(
        self, rows: Matrix, labels: Labels, names: Sequence[str], parameters: Parameters
    ) -> Scorer:
        """Learns from rows; the same input gives the same scorer."""

    def load(self, folder: Path) -> Scorer:
        """Reads what `Scorer.save` wrote."""


ALGORITHMS: Mapping[str, Algorithm] = {"xgboost": boosted_trees}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a model is. Holds no clock and no path, so that equal models have equal bytes."""

    feature_schema_version: str
    feature_names: tuple[str, ...]
    hyperparameters: dict[str, Any]
    train_rows: int
    train_frauds: int
    train_first_event: str
    train_last_event: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads metadata.json."""
        try:
            document = json.loads(text)
            document["feature_names"] = tuple(document["feature_names"])
            return cls(**document)
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput(f"{METADATA_FILE} must be a model's metadata: {error}") from error


@dataclass(frozen=True, slots=True)
class Model:
    """A scorer and its metadata.

    model = fit(rows, labels, parameters=Parameters())
    model.save(folder)
    Model.load(folder).predict(rows)  # the same scores, bit for bit
    """

    scorer: Scorer
    metadata: Metadata

    def predict(self, rows: npt.ArrayLike) -> Scores:
        """The fraud score of each row; columns in the order of the metadata's feature names."""
        matrix = np.ascontiguousarray(rows, dtype=np.float32)
        return self.scorer.predict(matrix)

    def require_schema(
        self, version: str = SCHEMA_VERSION, names: Sequence[str] = FEATURE_NAMES
    ) -> None:
        """Raises BadInput unless the model takes exactly the features that this code computes."""
        if self.metadata.feature_schema_version != version:
            raise BadInput(
                f"the model's feature schema version must be {version}, "
                f"got {self.metadata.feature_schema_version}; train it again"
            )
        if self.metadata.feature_names != tuple(names):
            raise BadInput(
                f"the model's features must be {', '.join(names)}, "
                f"got {', '.join(self.metadata.feature_names)}; train it again"
            )

    def save(self, folder: Path) -> None:
        """Writes the model's files; the same model gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.scorer.save(folder)
        document = json.dumps(asdict(self.metadata), indent=2, sort_keys=True)
        (folder / METADATA_FILE).write_text(document + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; raises BadInput if the folder holds no whole model."""
        file = folder / METADATA_FILE
        if not file.is_file():
            raise BadInput(f"a model folder must hold {METADATA_FILE}, got none in {folder.name}")
        metadata = Metadata.parse(file.read_text(encoding="utf-8"))
        algorithm = find_algorithm(str(metadata.hyperparameters.get("algorithm")))
        return cls(algorithm.load(folder), metadata)


def find_algorithm(name: str) -> Algorithm:
    """The algorithm of that name, or BadInput naming those there are."""
    if name not in ALGORITHMS:
        raise BadInput(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {name}")
    return ALGORITHMS[name]


def fit(
    rows: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    parameters: Parameters,
    names: Sequence[str] = FEATURE_NAMES,
    first_event: str = "",
    last_event: str = "",
) -> Model:
    """Learns one model from feature rows and their labels; the same input gives the same model.

    Args:
        rows: One row per transaction, columns in the order of `names`.
        labels: 1 for a fraud, 0 for none.
        parameters: Hyperparameters, the seed and the algorithm's name included.
        names: The features' names.
        first_event: Time of the oldest training row, for the metadata.
        last_event: Time of the newest training row, for the metadata.
    """
    matrix = np.ascontiguousarray(rows, dtype=np.float32)
    target = np.asarray(labels, dtype=np.int8)
    scorer = find_algorithm(parameters.algorithm).fit(matrix, target, names, parameters)
    metadata = Metadata(
        feature_schema_version=SCHEMA_VERSION,
        feature_names=tuple(names),
        hyperparameters=parameters.as_dict(),
        train_rows=len(target),
        train_frauds=int(target.sum()),
        train_first_event=first_event,
        train_last_event=last_event,
    )
    return Model(scorer, metadata)
