"""The training jobs that a tuning job has started, and what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass

from local_aws.sagemaker.metric_watch import MetricWatch
from local_aws.sagemaker.tuning.request import Tuning
from local_aws.sagemaker.tuning.search import History, Observation
from local_aws.sagemaker.tuning.space import Values

_MOST_FAILURES = 5  # without one success, as on AWS
_ALL_FAILED = (
    "All training jobs have failed. Please take a look at the training job failures to get more "
    "details."
)
_NONE_SUCCEEDED = (
    f"No training job succeeded after {_MOST_FAILURES} attempts. For additional details, please "
    "take a look at the training job failures."
)


@dataclass(slots=True, kw_only=True)
class Trial:
    """One training job.

    Args:
        name: Its name.
        values: What it tries.
        watch: What it prints of its metrics.
        status: Its status, `InProgress` until it has ended.
        objective: What it came to, if anything.
        asked_to_stop: Whether it was.
    """

    name: str
    values: Values
    watch: MetricWatch | None
    status: str = "InProgress"
    objective: float | None = None
    asked_to_stop: bool = False


class Trials(list[Trial]):
    """All of them, in the order in which they were started."""

    def __init__(self, tuning: Tuning) -> None:
        super().__init__()
        self._tuning = tuning

    def history(self, prior: Sequence[Observation]) -> History:
        """What the strategy goes by, with what was observed before."""
        sign = -1.0 if self._tuning.maximize else 1.0
        observed = [
            Observation(trial.values, sign * trial.objective)
            for trial in self
            if trial.objective is not None
        ]
        return History(
            tried=[trial.values for trial in self],
            observed=[*prior, *observed],
            pending=[trial.values for trial in self if trial.status == "InProgress"],
        )

    def failure(self) -> str | None:
        """Why the tuning job has failed, if it has."""
        ended = [trial for trial in self if trial.status != "InProgress"]
        if any(trial.objective is not None for trial in ended):
            return None
        if len(ended) == self._tuning.most_jobs:
            return _ALL_FAILED
        return _NONE_SUCCEEDED if len(ended) >= _MOST_FAILURES else None

    def are_good_enough(self) -> bool:
        """Whether the tuning job's own criteria say that it need not go on."""
        tuning = self._tuning
        values = [trial.objective for trial in self if trial.objective is not None]
        if tuning.target is not None and any(
            value == tuning.target or tuning.is_better(value, tuning.target) for value in values
        ):
            return True
        return tuning.patience is not None and self.not_improving() >= tuning.patience

    def not_improving(self) -> int:
        """How many training jobs have ended since the best one was started."""
        best, count = None, 0
        for trial in self:
            if trial.objective is None:
                continue
            if best is None or self._tuning.is_better(trial.objective, best):
                best, count = trial.objective, 0
            else:
                count += 1
        return count
