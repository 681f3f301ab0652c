"""Strategies of tuning jobs: which combination of hyperparameters to try next."""

import itertools
import statistics
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from local_aws.sagemaker.tuning.space import Space, Values

_DRAWS = 100
_CANDIDATES = 512
_NEIGHBOURS = 64  # of each of the best points so far
_BEST_POINTS = 4
_SPREADS = (0.2, 0.05)
_FEWEST_OBSERVED = 3
_FEWEST_COMPARED = 3


@dataclass(frozen=True, slots=True)
class Observation:
    """What a combination led to; the loss is what is to be small."""

    values: Values
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a strategy goes by.

    Args:
        tried: All combinations that were proposed before.
        observed: What has been learned, also from earlier tuning jobs.
        pending: Those of `tried` that are still running.
    """

    tried: Sequence[Values]
    observed: Sequence[Observation]
    pending: Sequence[Values]


class Search(Protocol):
    """A strategy."""

    def propose(self, history: History) -> Values | None:
        """The next combination; None when there is no other."""


class GridSearch:
    """Every combination once."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def propose(self, history: History) -> Values | None:
        """The next combination in the order of the ranges."""
        return next(itertools.islice(self._space.combinations(), len(history.tried), None), None)


class RandomSearch:
    """Combinations drawn evenly from the space; with one seed always the same ones."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed

    def propose(self, history: History) -> Values | None:
        """Another combination, one of those not tried yet as long as any is easily found."""
        generator = np.random.default_rng([self._seed, len(history.tried)])
        draws = generator.random((_DRAWS, len(self._space.ranges)))
        return _first_new((self._space.at(point) for point in draws), history.tried)


class BayesianSearch:
    """Where a Gaussian process of what was observed expects the greatest improvement.

    The first points are quasi-random. Combinations that are still running count as if they had
    led to what is expected of them, so that those tried at once differ.

    Optuna's Gaussian process would need PyTorch; its Parzen estimators, which do not, found in 20
    trials what these find for 1 of 10 seeds, and took off 63 lines.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._dimensions = len(space.ranges)
        self._first = max(4, 2 * self._dimensions)

    def propose(self, history: History) -> Values | None:
        """The next combination."""
        tried, encode = history.tried, self._space.encode
        # What another tuning job has observed may lie outside.
        observed = [item for item in history.observed if encode(item.values) is not None]
        known = max(len(tried), len(observed))
        if known < self._first or len(observed) < _FEWEST_OBSERVED:
            return _first_new(map(self._space.at, self._sobol(len(tried), _DRAWS)), tried)
        best = [item.values for item in sorted(observed, key=lambda item: item.loss)]
        candidates = self._candidates(len(tried), best[:_BEST_POINTS], tried)
        if not candidates:
            return _first_new(map(self._space.at, self._sobol(len(tried), _DRAWS)), tried)
        gain = _expected_improvement(
            np.array([encode(item.values) for item in observed]),
            np.array([item.loss for item in observed]),
            np.array([encode(values) for values in history.pending]),
            np.array([encode(values) for values in candidates]),
            self._seed,
        )
        return candidates[int(np.argmax(gain))]

    def _sobol(self, start: int, count: int) -> NDArray[np.float64]:
        from scipy.stats import qmc  # noqa: PLC0415 - the server starts faster without it

        with warnings.catch_warnings():
            # Sobol's balance needs a power of two; a tuning job takes as many as it is given.
            warnings.simplefilter("ignore", UserWarning)
            sampler = qmc.Sobol(self._dimensions, scramble=True, rng=self._seed)
            points: NDArray[np.float64] = sampler.random(start + count)[start:]
        return points

    def _candidates(
        self, number: int, best: Sequence[Values], tried: Sequence[Values]
    ) -> list[Values]:
        generator = np.random.default_rng([self._seed, number])
        points = [*generator.random((_CANDIDATES, self._dimensions))]
        drawn = [self._space.at(point) for point in points]
        for values, spread in itertools.product(best, _SPREADS):
            drawn += self._near(values, spread, generator)
        taken = {_key(values) for values in tried}
        unique = {_key(values): values for values in drawn}
        return [values for key, values in unique.items() if key not in taken]

    def _near(self, values: Values, spread: float, generator: np.random.Generator) -> list[Values]:
        """Combinations around one: numbers a little off, words changed now and then."""
        found = []
        for _ in range(_NEIGHBOURS):
            near = {}
            for item in self._space.ranges:
                place = item.encode(values[item.name])
                if item.width == 1 and place is not None:
                    unit = float(np.clip(generator.normal(place[0], spread), 0.0, 1.0))
                    near[item.name] = item.at(unit)
                elif generator.random() < spread:
                    near[item.name] = item.at(generator.random())
                else:
                    near[item.name] = values[item.name]
            found.append(near)
        return found


def is_behind(values: Sequence[float], others: Iterable[Sequence[float]], maximize: bool) -> bool:
    """The median rule: whether a job does worse than earlier ones did on average by this point.

    Args:
        values: What the job's objective was after each epoch so far.
        others: The same of the jobs that have completed.
        maximize: Whether more is better.
    """
    epoch = len(values)
    averages = [statistics.fmean(other[:epoch]) for other in others if len(other) >= epoch > 0]
    if len(averages) < _FEWEST_COMPARED:
        return False
    middle = statistics.median(averages)
    return values[-1] < middle if maximize else values[-1] > middle


def _first_new(proposals: Iterable[Values], tried: Sequence[Values]) -> Values | None:
    taken = {_key(values) for values in tried}
    first = None
    for values in proposals:
        if _key(values) not in taken:
            return values
        first = values if first is None else first
    return first


def _key(values: Values) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))


def _expected_improvement(
    places: NDArray[np.float64],
    losses: NDArray[np.float64],
    waiting: NDArray[np.float64],
    candidates: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    from scipy.stats import norm  # noqa: PLC0415 - the server starts faster without them
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels  # noqa: PLC0415
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415
        threadpool_limits,
    )

    smooth: Any = kernels.Matern(np.full(places.shape[1], 0.5), (0.05, 10.0), nu=2.5)
    kernel = kernels.ConstantKernel(1.0, (0.05, 20.0)) * smooth + kernels.WhiteKernel(
        1e-3, (1e-8, 0.5)
    )
    process = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=1, random_state=seed % 2**32
    )
    # On matrices as small as these, several threads take many times as long as one.
    with threadpool_limits(1), warnings.catch_warnings():
        # A length at its bound is an answer: the objective does not depend on that parameter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(places, losses)
    least = float(losses.min())
    if len(waiting):
        believed = process.predict(waiting)
        process = GaussianProcessRegressor(process.kernel_, optimizer=None, normalize_y=True)
        process.fit(np.vstack([places, waiting]), np.concatenate([losses, believed]))
    mean, deviation = process.predict(candidates, return_std=True)
    deviation = np.maximum(deviation, 1e-12)
    ahead = (least - mean) / deviation
    gain: NDArray[np.float64] = deviation * (ahead * norm.cdf(ahead) + norm.pdf(ahead))
    return gain
