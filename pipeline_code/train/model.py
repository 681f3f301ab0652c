"""One trained model: what scores rows, and the metadata that says what it is."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import METADATA_FILE
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION
from pipeline_code.train.algorithms import Scorer, find_algorithm
from pipeline_code.train.batches import ArrayBatches, Batch
from pipeline_code.train.calibration import Calibration
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.survey import Survey
from pipeline_code.train.training import Job, TrainingResult, train

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a model is. Holds no clock and no path, so that equal models have equal bytes.

    Attributes:
        feature_schema_version: Of the rows it was trained on.
        feature_names: Its columns, in order.
        hyperparameters: All of them.
        train_rows: Rows it was trained on.
        train_frauds: Frauds among them.
        train_first_event: Time of the oldest.
        train_last_event: Time of the newest.
        rounds: Rounds in the model.
        calibration: From its log-odds to those of its scores.
        validation: What a model of the earlier days was worth on the later ones: average_precision,
            auc_roc, log_loss, brier_score, rows, frauds; empty if no slice was held back.
        model_sha256: Of the model's own file.
        compiled: On how many rows its compiled trees were compared with the library, and the
            largest difference; empty if they were not.
    """

    feature_schema_version: str
    feature_names: tuple[str, ...]
    hyperparameters: dict[str, Any]
    train_rows: int
    train_frauds: int
    train_first_event: str
    train_last_event: str
    rounds: int
    calibration: Calibration
    validation: dict[str, float]
    model_sha256: str
    compiled: dict[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads metadata.json."""
        try:
            document = json.loads(text)
            document["feature_names"] = tuple(document["feature_names"])
            document["calibration"] = Calibration(**document["calibration"])
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
        """The fraud probability of each row, whatever the rows beside it.

        Columns are in the order of the metadata's feature names.
        """
        return self.metadata.calibration.probabilities(self.scorer.margins(_matrix(rows)))

    def contributions(self, rows: npt.ArrayLike) -> Scores:
        """What each feature adds to a row's log-odds (TreeSHAP), and the base in a last column.

        A row's sum is the log-odds of its score.
        """
        added = self.scorer.contributions(_matrix(rows)).astype(np.float64)
        calibration = self.metadata.calibration
        added *= calibration.slope
        added[:, -1] += calibration.intercept
        return added.astype(np.float32)

    def compiled(self) -> "Model":
        """An equal model that computes its scores as machine code: the same bits, sooner.

        Raises:
            BadInput: Some of its trees are more than comparisons with numbers.
        """
        # The compiler's library takes a while to load, and not all who train or read need it.
        from pipeline_code.train.compiled_trees import CompiledTrees  # noqa: PLC0415

        if isinstance(self.scorer, CompiledTrees):
            return self
        return replace(self, scorer=CompiledTrees.of(self.scorer))

    def checked(self, rows: npt.ArrayLike) -> "Model":
        """The same model; its metadata says that its compiled trees were compared on these rows.

        Raises:
            BadInput: They differ.
        """
        from pipeline_code.train.compiled_trees import compared  # noqa: PLC0415 - as above

        found = compared(self.scorer, _matrix(rows))
        return replace(self, metadata=replace(self.metadata, compiled=found))

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
        algorithm = find_algorithm(str(self.metadata.hyperparameters["algorithm"]))
        (folder / algorithm.file).write_bytes(self.scorer.content)
        document = json.dumps(asdict(self.metadata), indent=2, sort_keys=True)
        (folder / METADATA_FILE).write_text(document + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; raises BadInput if the folder holds no whole model."""
        metadata = Metadata.parse(_content(folder, METADATA_FILE).decode("utf-8", "replace"))
        algorithm = find_algorithm(str(metadata.hyperparameters.get("algorithm")))
        content = _content(folder, algorithm.file)
        # A damaged file can end the process that reads it, with no message.
        if hashlib.sha256(content).hexdigest() != metadata.model_sha256:
            raise BadInput(
                f"{algorithm.file} must be the file that {METADATA_FILE} was written with, "
                f"got {len(content)} bytes of another; train the model again"
            )
        return cls(algorithm.read(content), metadata)


def fit(
    rows: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    parameters: Parameters,
    names: Sequence[str] = FEATURE_NAMES,
    times: npt.ArrayLike | None = None,
    first_event: str = "",
    last_event: str = "",
) -> Model:
    """Learns one model from feature rows and their labels; the same input gives the same model.

    Args:
        rows: One row per transaction, columns in the order of `names`.
        labels: 1 for a fraud, 0 for none.
        parameters: Hyperparameters, the seed and the algorithm's name included.
        names: The features' names.
        times: Event times in microseconds; needed for a validation slice only.
        first_event: Time of the oldest training row, for the metadata.
        last_event: Time of the newest training row, for the metadata.

    Raises:
        BadInput: The rows could only make a bad model, or do not suit the parameters.
    """
    target = np.asarray(labels)
    if not np.isin(target, (0, 1)).all():
        raise BadInput(f"labels must be 0 or 1, got {target[~np.isin(target, (0, 1))][0]}")
    if times is None and parameters.validation_days:
        raise BadInput("times must be given for a validation slice, got none; pass event times")
    when = np.zeros(len(target), dtype=np.int64) if times is None else np.asarray(times, np.int64)
    batches = ArrayBatches(Batch(_matrix(rows), target.astype(np.int8), when))
    survey = Survey.of(batches, "train", names)
    survey.check("train", parameters.allow_constant_features)
    trained = train(Job(batches=batches, names=names, parameters=parameters, survey=survey))
    return assembled(trained, survey, parameters, names, (first_event, last_event))


def assembled(
    trained: TrainingResult,
    survey: Survey,
    parameters: Parameters,
    names: Sequence[str],
    period: tuple[str, str],
) -> Model:
    """The model that a training has made of surveyed rows."""
    metadata = Metadata(
        feature_schema_version=SCHEMA_VERSION,
        feature_names=tuple(names),
        hyperparameters=parameters.as_dict(),
        train_rows=survey.rows,
        train_frauds=survey.frauds,
        train_first_event=period[0],
        train_last_event=period[1],
        rounds=trained.selection.rounds,
        calibration=trained.selection.calibration,
        validation=dict(trained.selection.validation),
        model_sha256=hashlib.sha256(trained.content).hexdigest(),
    )
    return Model(find_algorithm(parameters.algorithm).read(trained.content), metadata)


def _matrix(rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(rows, dtype=np.float32)


def _content(folder: Path, name: str) -> bytes:
    file = folder / name
    if not file.is_file():
        raise BadInput(f"a model folder must hold {name}, got none in {folder.name}")
    return file.read_bytes()
