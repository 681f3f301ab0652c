"""The training loop, the same for every algorithm: choose on later days, then learn from all.

With a validation slice there are two fits. The first learns from the days before the slice; after
each of its rounds the slice is scored, which says how many rounds are best and what their log-odds
mean. The second learns that many rounds from all rows, and is the model; without a slice it is the
only one. The best rounds are those of the lowest log loss: by average precision, which a few frauds
decide, they were too few and differed more from seed to seed (docs/detection.md).
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import SCHEMA_VERSION
from pipeline_code.train.algorithms import Boosting, find_algorithm
from pipeline_code.train.batches import Batches, PeriodBatches
from pipeline_code.train.calibration import Calibration
from pipeline_code.train.checkpoints import (
    Checkpoint,
    Checkpoints,
    Progress,
    Selection,
    fingerprint,
)
from pipeline_code.train.hosts import ALONE, Team
from pipeline_code.train.interruption import Interruption, TrainingInterruptedError
from pipeline_code.train.memory import lies_on_disk
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.survey import Survey
from pipeline_code.train.validation import figures_of, prefixed

__all__ = ["Job", "TrainingResult", "train"]

Report = Callable[[Mapping[str, Any]], None]

# Rounds between two reports where no slice is measured.
REPORTED_ROUNDS = 10
# They change how a model is learned, not which.
_NOT_OF_THE_MODEL = ("checkpoint_seconds", "external_memory")


def _silent(_: Mapping[str, Any]) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is learned from, and how.

    Attributes:
        batches: This host's rows.
        names: The features' names.
        parameters: Hyperparameters.
        survey: Of all hosts' rows.
        name: What messages call the rows.
        team: The hosts that learn together.
        interruption: Whether to end early.
        checkpoint_folder: Where checkpoints go; none are written if omitted.
        work: Where the matrix goes if it lies on the disk; the system's place if omitted.
        report: Is told what the log is to hold.
    """

    batches: Batches
    names: Sequence[str]
    parameters: Parameters
    survey: Survey
    name: str = "train"
    team: Team = ALONE
    interruption: Interruption = field(default_factory=Interruption)
    checkpoint_folder: Path | None = None
    work: Path | None = None
    report: Report = _silent


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The model's file, and what was chosen for it."""

    content: bytes
    selection: Selection


def train(job: Job) -> TrainingResult:
    """Learns one model, or goes on where a killed run of the same job has left it.

    Raises:
        BadInput: The parameters do not fit the rows or the machine.
        Interrupted: The job is to end; what was learned is in the checkpoint.
    """
    with tempfile.TemporaryDirectory(prefix="train-", dir=job.work) as cache:
        return _Training(job, Path(cache)).run()


class _Training:
    def __init__(self, job: Job, cache: Path) -> None:
        self._job = job
        self._parameters = job.parameters
        self._algorithm = find_algorithm(job.parameters.algorithm)
        self._algorithm.check(job.parameters)
        self._cache = cache
        self._on_disk = job.parameters.device == "cpu" and job.team.any(
            lies_on_disk(
                job.parameters.external_memory,
                rows=job.survey.own_rows,
                features=len(job.names),
                scales_out=self._algorithm.scales_out,
            )
        )
        self._checkpoints = self._open_checkpoints()

    def run(self) -> TrainingResult:
        days = self._parameters.validation_days
        start = self._job.survey.slice_start(days, self._job.name) if days else None
        checkpoint = self._left()
        if start is not None and checkpoint.progress.selection is None:
            checkpoint = Checkpoint(Progress(selection=self._select(checkpoint, start)))
            self._write(checkpoint)
        if checkpoint.progress.selection is None:
            all_rounds = Selection(rounds=self._parameters.rounds, calibration=self._unweighted())
            checkpoint = Checkpoint(Progress(selection=all_rounds))
        return self._fit(checkpoint)

    def _select(self, checkpoint: Checkpoint, start: int) -> Selection:
        """Learns from the days before the slice until the slice is scored no better."""
        earlier = self._prepared("earlier", PeriodBatches(self._job.batches, end=start))
        later = PeriodBatches(self._job.batches, start=start)
        watched = self._prepared("later", later, reference=earlier)
        own = [batch.labels for batch in later]
        labels = self._job.team.together(np.concatenate([np.empty(0, np.int8), *own]))
        boosting = self._begin(earlier, checkpoint, watched)

        def margins(rounds: int) -> npt.NDArray[Any]:
            return self._job.team.together(boosting.margins(watched, rounds))

        def measured(progress: Progress) -> Progress:
            figures = figures_of(labels, margins(progress.rounds), self._unweighted())
            self._job.report({"round": progress.rounds, **prefixed(figures)})
            return replace(progress, history=(*progress.history, figures["log_loss"]))

        history = self._learn(boosting, checkpoint.progress, measured).history
        best = int(np.argmin(history)) + 1 if self._parameters.early_stopping_rounds else None
        return self._selection(best or len(history), labels, margins(best or len(history)))

    def _selection(
        self, rounds: int, labels: npt.NDArray[np.int8], margins: npt.NDArray[Any]
    ) -> Selection:
        calibration = self._unweighted()
        if self._parameters.calibrate:
            calibration = Calibration.fitted(margins, labels)
        figures = figures_of(labels, margins, calibration)
        counts = {"rows": float(len(labels)), "frauds": float(labels.sum())}
        return Selection(rounds=rounds, calibration=calibration, validation=figures | counts)

    def _fit(self, checkpoint: Checkpoint) -> TrainingResult:
        """Learns the chosen number of rounds from all rows."""
        data = self._prepared("all", self._job.batches)
        boosting = self._begin(data, checkpoint)

        def measured(progress: Progress) -> Progress:
            if progress.rounds % REPORTED_ROUNDS == 0:
                self._job.report({"stage": "all rows", "round": progress.rounds})
            return progress

        progress = self._learn(boosting, checkpoint.progress, measured)
        assert progress.selection is not None  # noqa: S101 - `run` has seen to it
        return TrainingResult(boosting.content(progress.rounds), progress.selection)

    def _learn(
        self, boosting: Boosting, progress: Progress, measured: Callable[[Progress], Progress]
    ) -> Progress:
        while not self._done(progress):
            boosting.add_round(progress.rounds)
            progress = measured(replace(progress, rounds=progress.rounds + 1))
            # All hosts end after the same round, whichever of them was told to.
            ends = self._job.team.any(self._job.interruption.requested)
            if self._checkpoints is not None and (ends or self._checkpoints.due):
                self._write(Checkpoint(progress, boosting.content(progress.rounds)))
            if ends:
                raise TrainingInterruptedError(f"after round {progress.rounds}")
        return progress

    def _done(self, progress: Progress) -> bool:
        if progress.selection is not None:
            return progress.rounds >= progress.selection.rounds
        patience = self._parameters.early_stopping_rounds
        history = progress.history
        stale = bool(patience and history) and len(history) - 1 - np.argmin(history) >= patience
        return bool(stale) or progress.rounds >= self._parameters.rounds

    def _prepared(self, name: str, batches: Batches, reference: Any = None) -> Any:
        return self._algorithm.prepare(
            batches,
            self._job.names,
            reference=reference,
            cache=self._cache / name if self._on_disk else None,
        )

    def _begin(self, data: Any, checkpoint: Checkpoint, watched: Any = None) -> Boosting:
        return self._algorithm.begin(
            data, self._job.names, self._parameters, content=checkpoint.model, watched=watched
        )

    def _unweighted(self) -> Calibration:
        return Calibration.of_weight(self._parameters.positive_weight)

    def _open_checkpoints(self) -> Checkpoints | None:
        if self._job.checkpoint_folder is None:
            return None
        parameters = self._parameters.as_dict()
        parts = {
            "parameters": {
                name: value for name, value in parameters.items() if name not in _NOT_OF_THE_MODEL
            },
            "library": self._algorithm.version(),
            "feature_schema_version": SCHEMA_VERSION,
            "names": list(self._job.names),
            "rows": self._job.survey.digest,
            "hosts": self._job.team.size,
        }
        return Checkpoints(
            self._job.checkpoint_folder, fingerprint(parts), self._parameters.checkpoint_seconds
        )

    def _left(self) -> Checkpoint:
        """What a killed run of this job has left with the first host; nothing, at first."""
        if self._checkpoints is None:
            return Checkpoint()
        content = self._job.team.leaders(self._checkpoints.content())
        if content is None:
            return Checkpoint()
        try:
            checkpoint = self._checkpoints.parse(content)
        except ValueError as error:
            self._job.report({"checkpoint": "not used", "reason": str(error)})
            return Checkpoint()
        stage = "selection" if checkpoint.progress.selection is None else "all rows"
        self._job.report(
            {"checkpoint": "used", "stage": stage, "round": checkpoint.progress.rounds}
        )
        return checkpoint

    def _write(self, checkpoint: Checkpoint) -> None:
        if self._checkpoints is not None and self._job.team.leads:
            self._checkpoints.write(checkpoint)
