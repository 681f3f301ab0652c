"""The loop: what the later days decide, and what is learned from all of them."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, log_loss

from pipeline_code.common.exits import BadInput
from pipeline_code.train import interruption, memory
from pipeline_code.train.algorithms import find_algorithm
from pipeline_code.train.batches import ArrayBatches, Batch
from pipeline_code.train.calibration import Calibration
from pipeline_code.train.checkpoints import (
    Checkpoint,
    Checkpoints,
    Progress,
    Selection,
    fingerprint,
)
from pipeline_code.train.interruption import (
    InterruptibleBatches,
    Interruption,
    TrainingInterruptedError,
)
from pipeline_code.train.model import fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.survey import DAY, Survey
from pipeline_code.train.training import Job, TrainingResult, train

NAMES = tuple("abcd")
START = 17_800 * DAY + DAY // 2
STOPPED = Parameters(
    rounds=60, max_depth=6, learning_rate=0.5, validation_days=2, early_stopping_rounds=4
)


def rows_of(days: int = 6, a_day: int = 500, seed: int = 4) -> Batch:
    """Noisy enough that many rounds are too many."""
    generator = np.random.default_rng(seed)
    count = days * a_day
    rows = generator.random((count, len(NAMES)), dtype=np.float32)
    fraud = generator.random(count) < expit(8 * (rows[:, 0] + rows[:, 1]) - 13)
    return Batch(rows, fraud.astype(np.int8), START + np.arange(count) * (DAY // a_day))


ROWS = rows_of()


def run(
    parameters: Parameters, rows: Batch = ROWS, **more: Any
) -> tuple[TrainingResult, list[Any]]:
    """Trains, and what was reported."""
    batches = ArrayBatches(rows)
    said: list[Any] = []
    survey = Survey.of(batches, "train", NAMES)
    job = Job(
        batches=batches,
        names=NAMES,
        parameters=parameters,
        survey=survey,
        report=said.append,
        **more,
    )
    return train(job), said


def scored(said: list[Mapping[str, Any]], figure: str = "log_loss") -> list[float]:
    name = f"validation:{figure}"
    return [line[name] for line in said if name in line]


def slice_of(rows: Batch, days: int, later: bool) -> Batch:
    start = (rows.times.max() // DAY - days + 1) * DAY
    return rows.where((rows.times >= start) == later)


def test_rounds_are_those_that_score_the_slice_best() -> None:
    trained, said = run(STOPPED)
    history = scored(said)
    best = int(np.argmin(history)) + 1
    assert trained.selection.rounds == best
    assert len(history) == best + STOPPED.early_stopping_rounds < STOPPED.rounds
    assert [line["round"] for line in said[: len(history)]] == list(range(1, len(history) + 1))
    precision = scored(said, "average_precision")[best - 1]
    assert trained.selection.validation["average_precision"] == precision


def test_the_model_is_that_of_so_many_rounds_of_all_rows() -> None:
    trained, _ = run(STOPPED)
    plain = Parameters(rounds=trained.selection.rounds, max_depth=6, learning_rate=0.5)
    assert trained.content == run(plain)[0].content


def test_the_slice_is_scored_by_a_model_of_the_earlier_days() -> None:
    trained, said = run(Parameters(rounds=5, validation_days=2))
    earlier, later = (slice_of(ROWS, 2, later) for later in (False, True))
    assert trained.selection.validation["rows"] == len(later)
    model = run(Parameters(rounds=5), earlier)[0]
    margins = find_algorithm("xgboost").read(model.content).margins(later.rows)
    precision = average_precision_score(later.labels, margins)
    assert scored(said, "average_precision")[-1] == precision
    assert scored(said)[-1] == pytest.approx(log_loss(later.labels, expit(margins)), rel=1e-6)
    assert trained.selection.calibration == Calibration.fitted(margins, later.labels)


def test_without_early_stopping_all_rounds_are_taken() -> None:
    trained, said = run(Parameters(rounds=30, learning_rate=0.5, validation_days=2))
    assert trained.selection.rounds == len(scored(said)) == 30


def test_calibration_makes_probabilities_of_weighted_scores() -> None:
    parameters = Parameters(rounds=30, validation_days=2, positive_weight=30.0)
    model = fit(ROWS.rows, ROWS.labels, parameters=parameters, names=NAMES, times=ROWS.times)
    fresh = rows_of(seed=9)
    assert model.predict(fresh.rows).mean() == pytest.approx(fresh.labels.mean(), rel=0.15)
    assert model.metadata.validation["brier_score"] < 0.1
    assert model.metadata.rounds == 30


def test_calibration_can_be_left_out() -> None:
    parameters = Parameters(rounds=4, validation_days=2, calibrate=False, positive_weight=2.0)
    trained, _ = run(parameters)
    assert trained.selection.calibration == Calibration.of_weight(2.0)
    assert trained.selection.validation


def test_both_algorithms_are_trained_by_it() -> None:
    parameters = Parameters(**STOPPED.as_dict() | {"algorithm": "scikit-learn"})
    trained, said = run(parameters)
    assert trained.selection.rounds == int(np.argmin(scored(said))) + 1
    assert trained.selection.validation["average_precision"] > 0.6
    assert trained.content == run(parameters)[0].content


def test_external_memory_gives_the_same_bytes(tmp_path: Path) -> None:
    on = Parameters(**STOPPED.as_dict() | {"external_memory": "on"})
    assert run(on, work=tmp_path)[0] == run(STOPPED)[0]
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_into_memory_goes_to_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
    assert memory.lies_on_disk("auto", 10**5, 25, scales_out=True)
    assert not memory.lies_on_disk("auto", 10**3, 25, scales_out=True)
    assert not memory.lies_on_disk("off", 10**9, 25, scales_out=True)
    with pytest.raises(BadInput, match="must fit into 1 MiB of memory for this algorithm, got 21"):
        memory.lies_on_disk("auto", 10**5, 25, scales_out=False)


def test_there_is_memory() -> None:
    assert 10**7 < memory.available_bytes() < 10**14


def test_a_container_may_have_less_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, used, none = tmp_path / "max", tmp_path / "current", tmp_path / "none"
    monkeypatch.setattr(memory, "_CGROUP_FILES", ((str(none), str(none)), (str(limit), str(used))))
    limit.write_text("5000000\n")
    used.write_text("1000000\n")
    assert memory.available_bytes() == 4_000_000
    limit.write_text("max\n")
    assert memory.available_bytes() > 10**7


@pytest.mark.parametrize(
    ("rows", "days", "message"),
    [
        (ROWS, 7, "validation_days must be less than the days of train, got 7 of 7"),
        (ROWS, 30, "validation_days must be less than the days of train, got 30 of 7"),
        (slice_of(ROWS, 1, True), 1, "must be less than the days of train, got 1 of 1"),
    ],
)
def test_a_slice_needs_days_before_it(rows: Batch, days: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run(Parameters(validation_days=days), rows)


@pytest.mark.parametrize(
    ("later", "label", "message"),
    [
        (True, 0, "train, the validation slice must hold at least one fraud, got none"),
        (True, 1, "train, the validation slice must hold a genuine transaction"),
        (False, 0, "the days before the validation slice must hold at least one fraud"),
        (False, 1, "the days before the validation slice must hold a genuine transaction"),
    ],
)
def test_a_slice_needs_both_classes_on_both_sides(later: bool, label: int, message: str) -> None:
    start = (ROWS.times.max() // DAY - 1) * DAY
    labels = np.where((ROWS.times >= start) == later, label, ROWS.labels).astype(np.int8)
    with pytest.raises(BadInput, match=message):
        run(Parameters(validation_days=2), Batch(ROWS.rows, labels, ROWS.times))


def test_an_unknown_increasing_feature_is_refused() -> None:
    with pytest.raises(BadInput, match="increasing_features must be among a, b, c, d, got risk"):
        run(Parameters(increasing_features="a,risk"))


@pytest.mark.parametrize("round_of_end", [1, 7, 40])
def test_an_interrupted_job_goes_on_where_it_was(tmp_path: Path, round_of_end: int) -> None:
    parameters = Parameters(rounds=40, validation_days=2, checkpoint_seconds=3600.0)
    asked = Interruption()
    said: list[Mapping[str, Any]] = []

    def report(line: Mapping[str, Any]) -> None:
        said.append(line)
        asked.requested = line.get("round") == round_of_end

    batches = ArrayBatches(ROWS)
    job = Job(
        batches=batches,
        names=NAMES,
        parameters=parameters,
        survey=Survey.of(batches, "train", NAMES),
        interruption=asked,
        checkpoint_folder=tmp_path,
        report=report,
    )
    with pytest.raises(TrainingInterruptedError, match=f"after round {round_of_end}"):
        train(job)
    assert len(said) == round_of_end
    trained, later = run(parameters, checkpoint_folder=tmp_path)
    assert later[0] == {"checkpoint": "used", "stage": "selection", "round": round_of_end}
    assert len(scored(later)) == 40 - round_of_end
    assert trained == run(parameters)[0]


def test_an_interruption_while_rows_are_read_is_told() -> None:
    batches = InterruptibleBatches(ArrayBatches(ROWS), Interruption(requested=True))
    with pytest.raises(TrainingInterruptedError, match="while rows were read"):
        find_algorithm("xgboost").prepare(batches, NAMES)


def test_a_signal_is_noticed_inside_the_block_only() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruption.noticed() as asked:
        signal.raise_signal(signal.SIGTERM)
        assert asked.requested
    assert signal.getsignal(signal.SIGTERM) == before


CHECKPOINT = Checkpoint(
    Progress(
        rounds=3,
        history=(0.1, 0.30000000000000004),
        selection=Selection(
            rounds=9, calibration=Calibration(slope=1.5, intercept=-2.0), validation={"rows": 3.0}
        ),
    ),
    b"model",
)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, fingerprint({"a": 1}), 60)
    assert checkpoints.content() is None
    for checkpoint in (Checkpoint(), CHECKPOINT):
        checkpoints.write(checkpoint)
        content = checkpoints.content()
        assert content is not None
        assert checkpoints.parse(content) == checkpoint
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]


def test_a_damaged_checkpoint_is_not_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "this", 60)
    whole = CHECKPOINT.dump("this")
    for place in range(len(whole)):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        with pytest.raises(ValueError, match="it is damaged"):
            checkpoints.parse(damaged)
        with pytest.raises(ValueError, match="it is damaged"):
            checkpoints.parse(whole[:place])


def test_a_checkpoint_of_another_job_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it is of other rows, parameters or code"):
        Checkpoints(tmp_path, "that", 60).parse(CHECKPOINT.dump("this"))


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 8},
        {"rounds": 5},
        {"positive_weight": 2.0},
        {"validation_days": 1},
    ],
)
def test_a_checkpoint_of_other_parameters_is_not_used(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    parameters = Parameters(rounds=4, validation_days=2, checkpoint_seconds=0.0)
    run(parameters, checkpoint_folder=tmp_path)
    _, said = run(Parameters(**parameters.as_dict() | changed), checkpoint_folder=tmp_path)
    assert said[0]["checkpoint"] == "not used"
    _, said = run(
        Parameters(**parameters.as_dict() | changed | {"external_memory": "on"}),
        checkpoint_folder=tmp_path,
    )
    assert said[0]["checkpoint"] == "used"
