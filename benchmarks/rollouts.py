"""Promotions under alarms: how often a good version is rolled back, and how soon a bad one is.

    python -m benchmarks.rollouts --json -

Simulates promotions of good versions and of versions with a fault, at 0.1 to 1,000 requests a
second, and has the alarms judge them that `prod`'s template hands to SageMaker: their own metric
math, by the embedded CloudWatch's evaluation. The peer is what many rollouts begin with: any failed
request in a minute, the slowest hundredth of a minute above half a second, more than a fifth
flagged.

The traffic of a minute is a Poisson number of requests, split among the fleets as the canary of the
template says. Every promotion has a rate of errors of its own, 1e-6 to 1e-4; one in five falls into
a busy hour, with three times the requests, each half as long again; a batch of 1,000 transactions
comes every ten minutes on average and takes one to three seconds; the share that is flagged is 0.5
to 5 percent, and scatters from minute to minute as campaigns come and go. What a minute's metrics
say is known a minute later, and traffic moves back then.

JSON: promotions (of good versions, for each traffic), false_rollbacks, peer_false_rollbacks; cases
and peer_cases: [{fault, requests_per_second, caught_share, bad_responses_p50}], the last of the
versions that were caught, and None if none was.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.measuring import add_json, show
from local_aws.alarms.evaluation import COMPARISONS
from local_aws.alarms.metric_math import evaluate
from operations.deployment import toolchain
from operations.deployment.assembly import stacks

Numbers = NDArray[Any]
Alarm = Mapping[str, Any]

TRAFFICS = (0.1, 1.0, 10.0, 100.0, 1000.0)
BATCH, BATCHES_A_MINUTE = 1000, 0.1
MEDIAN_MILLISECONDS, SPREAD = 15.0, 0.6
WINDOW = 5  # minutes
LAG = 1  # minutes from a minute's end until traffic moves back
# A request's time is published in so many parts.
PARTS = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a version.

    Attributes:
        name: What the table calls it.
        failing: Share of its requests that fail.
        flagging: How many times as much it flags.
        slowness: How many times as long it takes.
    """

    name: str
    failing: float = 0.0
    flagging: float = 1.0
    slowness: float = 1.0


FAULTS = (
    Fault("fails 1 %", failing=0.01),
    Fault("fails 10 %", failing=0.1),
    Fault("flags 10 times as much", flagging=10.0),
    Fault("takes 3 times as long", slowness=3.0),
)
GOOD = Fault("none")


@dataclass(frozen=True, slots=True)
class Rollout:
    """The canary of a template: minutes, and the first share."""

    share: float
    canary_minutes: int
    watched_minutes: int

    def new_share(self, minute: int) -> float:
        """The new fleet's share of the traffic in a minute after the start."""
        if minute < 0:
            return 0.0
        return self.share if minute < self.canary_minutes else 1.0

    @property
    def minutes(self) -> int:
        """Minutes in which an alarm rolls back."""
        return self.canary_minutes + self.watched_minutes


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--promotions", type=int, default=10_000, help="of each kind and traffic")
    parser.add_argument("--seed", type=int, default=7)
    add_json(parser)
    arguments = parser.parse_args()
    alarms, rollout = of_template()
    show(measure(alarms, rollout, arguments.promotions, arguments.seed), arguments.json)


def measure(
    alarms: Sequence[Alarm], rollout: Rollout, promotions: int, seed: int
) -> dict[str, Any]:
    """All figures, by name."""
    result: dict[str, Any] = {"promotions": promotions}
    for prefix, judges in (("", alarms), ("peer_", PEER)):
        false: dict[str, int] = {}
        cases = []
        for traffic in TRAFFICS:
            world = World(rollout, traffic, promotions, np.random.default_rng(seed))
            false[str(traffic)] = int(np.isfinite(world.caught(judges, GOOD)[0]).sum())
            cases += [_case(world, judges, fault, traffic) for fault in FAULTS]
        result[f"{prefix}false_rollbacks"] = false
        result[f"{prefix}cases"] = cases
    return result


def _case(world: "World", alarms: Sequence[Alarm], fault: Fault, traffic: float) -> dict[str, Any]:
    minutes, bad = world.caught(alarms, fault)
    caught = np.isfinite(minutes)
    return {
        "fault": fault.name,
        "requests_per_second": traffic,
        "caught_share": round(float(caught.mean()), 4),
        "bad_responses_p50": round(float(np.median(bad[caught])), 1) if caught.any() else None,
    }


class World:
    """Promotions at one traffic."""

    def __init__(
        self, rollout: Rollout, per_second: float, promotions: int, random: np.random.Generator
    ) -> None:
        self._rollout, self._random, self._count = rollout, random, promotions
        busy = random.random(promotions) < 0.2  # one in five
        self._calls = per_second * 60 * np.where(busy, 3.0, 1.0)
        self._load = np.where(busy, 1.5, 1.0)
        self._errors = 10 ** random.uniform(-6, -4, promotions)
        self._flags = 10 ** random.uniform(np.log10(0.005), np.log10(0.05), promotions)

    def caught(self, alarms: Sequence[Alarm], fault: Fault) -> tuple[Numbers, Numbers]:
        """Of each promotion: the minute in which it was rolled back, or infinity; bad responses."""
        minutes: list[dict[str, Numbers]] = []
        breaches: dict[int, list[NDArray[np.bool_]]] = {i: [] for i in range(len(alarms))}
        rolled_back = np.full(self._count, np.inf)
        bad = np.zeros(self._count)
        for minute in range(1 - WINDOW, self._rollout.minutes):
            minutes.append(self._minute(minute, fault))
            bad += np.where(minute <= rolled_back + LAG, minutes[-1]["bad"], 0.0)
            if minute < 0:
                continue
            for number, alarm in enumerate(alarms):
                seen = breaches[number]
                seen.append(self._breaches(alarm, minutes, fault))
                recent = np.sum(seen[-alarm["EvaluationPeriods"] :], axis=0)
                needed = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
                rolled_back = np.where(
                    recent >= needed, np.minimum(rolled_back, minute), rolled_back
                )
        return rolled_back, bad

    def _minute(self, minute: int, fault: Fault) -> dict[str, Numbers]:
        random, share = self._random, self._rollout.new_share(minute)
        calls = random.poisson(self._calls)
        new = random.binomial(calls, share)
        old = calls - new
        batches = random.poisson(BATCHES_A_MINUTE, self._count)
        new_batches = random.binomial(batches, share)
        failing = np.maximum(self._errors, fault.failing)
        failed = random.binomial(new + new_batches, failing)
        old_failed = random.binomial(old + batches - new_batches, self._errors)
        # Campaigns are in all traffic at once; a batch has its own.
        flags = self._flags * random.gamma(10, 0.1, self._count)
        of_batch = self._flags * random.gamma(4, 0.25, self._count)
        answers = new + BATCH * new_batches
        old_answers = old + BATCH * (batches - new_batches)
        flagged = _some(random, new, fault.flagging * flags)
        flagged += _some(random, BATCH * new_batches, fault.flagging * of_batch)
        old_flagged = _some(random, old, flags)
        old_flagged += _some(random, BATCH * (batches - new_batches), of_batch)
        excess = flagged * (1 - 1 / fault.flagging)
        slow = new if fault.slowness > 1 else 0
        return {
            "calls": calls + batches,
            "failed_calls": failed + old_failed,
            "slow_calls": batches,
            "new": new,
            "old": old,
            "requests": new + new_batches,
            "failed": failed,
            "answers": answers - failed,
            "flagged": flagged,
            "all_answers": answers + old_answers,
            "all_flagged": flagged + old_flagged,
            "bad": (failed if fault.failing else excess + slow).astype(float),
        }

    def _breaches(
        self, alarm: Alarm, minutes: Sequence[Mapping[str, Numbers]], fault: Fault
    ) -> NDArray[np.bool_]:
        """Whether the newest datapoint of an alarm breaches its threshold."""
        series: dict[str, list[float | None]] = {}
        value: list[float | None] = []
        queries = sorted(alarm["Metrics"], key=lambda each: "Expression" in each)
        for query in queries:
            if "Expression" in query:
                value = evaluate(query["Expression"], series)
            else:
                series[query["Id"]] = self._metric(query["MetricStat"], minutes, fault)
        compare = COMPARISONS[alarm["ComparisonOperator"]]
        return np.array([each is not None and compare(each, alarm["Threshold"]) for each in value])

    def _metric(
        self, stat: Mapping[str, Any], minutes: Sequence[Mapping[str, Numbers]], fault: Fault
    ) -> list[float | None]:
        names = {each["Name"] for each in stat["Metric"]["Dimensions"]}
        is_version = "ModelVersion" in names
        window = minutes[-(stat["Period"] // 60) :]
        sums = {name: np.sum([each[name] for each in window], axis=0) for name in window[0]}
        match stat["Metric"]["MetricName"], stat["Stat"]:
            case "Invocations", "Sum":
                found = sums["calls"]
            case "Invocation5XXErrors", "Sum":
                found = sums["failed_calls"]
            case "ModelLatency", "p99":
                found = 1000 * self._slowest(sums, fault)
            case "Requests", "Sum":
                found = sums["requests"]
            case "FailedAnswers", "Sum":
                found = sums["failed"]
            case "Answers", "Sum":
                found = sums["answers"] if is_version else sums["all_answers"]
            case "Flagged", "Sum":
                found = sums["flagged"] if is_version else sums["all_flagged"]
            case "Score", "Average":
                found = np.minimum(1.0, sums["flagged"] / np.maximum(1, sums["answers"]))
            case _, "p50":
                found = self._median(sums, fault, is_version=is_version) / PARTS
            case other:
                raise ValueError(f"metric must be simulated, got {other}")
        silent = (sums["requests"] if is_version else sums["calls"]) == 0
        return [None if none else float(each) for each, none in zip(found, silent, strict=True)]

    def _slowest(self, sums: Mapping[str, Numbers], fault: Fault) -> Numbers:
        """Milliseconds of the slowest hundredth, of both fleets and the batches."""
        quick = np.maximum(1, sums["new"] + sums["old"])
        rank = np.ceil(0.99 * (quick + sums["slow_calls"]))
        within = np.minimum(rank, quick)
        place = self._random.beta(within, quick - within + 1)
        found = self._quantile(place, sums["new"] / quick, fault)
        return np.where(rank > quick, self._random.uniform(1000, 3000, self._count), found)

    def _median(self, sums: Mapping[str, Numbers], fault: Fault, *, is_version: bool) -> Numbers:
        """Milliseconds of the middle request."""
        count = np.maximum(1, sums["new"] if is_version else sums["new"] + sums["old"])
        share = np.ones(self._count) if is_version else sums["new"] / count
        middle = np.ceil(count / 2)
        return self._quantile(self._random.beta(middle, count - middle + 1), share, fault)

    def _quantile(self, place: Numbers, share: Numbers, fault: Fault) -> Numbers:
        """Of the times of two fleets together, the new one with that share of the requests."""
        grid = np.linspace(-4, 6, 2001) * SPREAD
        result = np.empty(self._count)
        for low in np.unique(np.round(share, 2)):
            chosen = np.round(share, 2) == low
            below = low * stats.norm.cdf((grid - np.log(fault.slowness)) / SPREAD)
            below += (1 - low) * stats.norm.cdf(grid / SPREAD)
            result[chosen] = np.interp(place[chosen], below, grid)
        return MEDIAN_MILLISECONDS * self._load * np.exp(result)


def _some(random: np.random.Generator, count: Numbers, share: Numbers) -> Numbers:
    found: Numbers = random.binomial(count, np.minimum(share, 0.95))
    return found


def of_template() -> tuple[list[Alarm], Rollout]:
    """The alarms that roll `prod` back, in the form of metric math, and its canary."""
    with tempfile.TemporaryDirectory(prefix="rollouts-") as folder:
        assembly = Path(folder) / "cdk.out"
        toolchain.synthesize("prod", assembly)
        resources = {
            logical_id: resource
            for stack in stacks(assembly)
            for logical_id, resource in stack.template["Resources"].items()
        }
    (endpoint,) = (
        each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::SageMaker::Endpoint"
    )
    config = endpoint["DeploymentConfig"]
    names = json.dumps(config["AutoRollbackConfiguration"])
    alarms = [
        each["Properties"]
        for logical_id, each in resources.items()
        if each["Type"] == "AWS::CloudWatch::Alarm" and f'"{logical_id}"' in names
    ]
    policy = config["BlueGreenUpdatePolicy"]
    routing = policy["TrafficRoutingConfiguration"]
    return alarms, Rollout(
        routing["CanarySize"]["Value"] / 100,
        routing["WaitIntervalInSeconds"] // 60,
        policy["TerminationWaitInSeconds"] // 60,
    )


def _simple(name: str, statistic: str, dimension: str, threshold: float) -> Alarm:
    stat = {
        "Metric": {"MetricName": name, "Dimensions": [{"Name": dimension}]},
        "Period": 60,
        "Stat": statistic,
    }
    return {
        "Metrics": [{"Id": "m", "MetricStat": stat}, {"Id": "e", "Expression": "m"}],
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": threshold,
        "EvaluationPeriods": 1,
    }


def _share() -> Alarm:
    alarm = _simple("Flagged", "Sum", "ModelVersion", 20)
    answers = _simple("Answers", "Sum", "ModelVersion", 0)["Metrics"][0] | {"Id": "answers"}
    share = {"Id": "e", "Expression": "IF(answers >= 50, 100 * m / answers, 0)"}
    return {**alarm, "Metrics": [alarm["Metrics"][0], answers, share]}


PEER = (
    _simple("Invocation5XXErrors", "Sum", "VariantName", 0),
    _simple("ModelLatency", "p99", "VariantName", 500_000),
    _simple("FailedAnswers", "Sum", "ModelVersion", 0),
    _share(),
)


if __name__ == "__main__":
    main()
