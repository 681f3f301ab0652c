"""What a load needs: instances, shards, calls and bytes, by an environment's rules and figures.

Rules are read out of the synthesized templates, figures out of `capacity.toml` beside this module.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from operations.deployment.needs import FLEETS
from operations.deployment.store_calls import (
    SIDES,
    Resources,
    background_reads,
    requests_of_an_instance,
    shadow_share,
)

__all__ = ["Figures", "Plan", "Rules"]

SECONDS_A_DAY = 86_400

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an environment's templates say.

    Attributes:
        instance_type: Of the endpoint.
        per_instance: Requests a second of an instance, which scaling aims at.
        fewest: The fewest instances.
        shadow: The share of requests that a challenger is asked, too.
        fold_reads: Calls of BatchGetRecord a second of each batch of a stream.
        training_reads: Those of a training run.
        fold_memory_gb: Of a function that folds.
        other_functions: Functions beside those that fold.
    """

    instance_type: str
    per_instance: float
    fewest: int
    shadow: float
    fold_reads: int
    training_reads: int
    fold_memory_gb: float
    other_functions: int

    @classmethod
    def of(cls, resources: Resources) -> "Rules":
        """The rules of one environment, which has an endpoint of instances and a shadow."""
        (config,) = resources["AWS::SageMaker::EndpointConfig"]
        (variant,) = config["ProductionVariants"]
        folds = [
            function
            for function in resources["AWS::Lambda::Function"]
            if "STORE_READS_A_SECOND" in function.get("Environment", {}).get("Variables", {})
        ]
        return cls(
            instance_type=variant["InstanceType"],
            per_instance=requests_of_an_instance(resources),
            fewest=variant["InitialInstanceCount"],
            shadow=shadow_share(resources),
            fold_reads=int(folds[0]["Environment"]["Variables"]["STORE_READS_A_SECOND"]),
            training_reads=background_reads(resources)[1],
            fold_memory_gb=folds[0]["MemorySize"] / 1024,
            other_functions=len(resources["AWS::Lambda::Function"]) - len(folds),
        )


@dataclass(frozen=True)
class Plan:
    """What one load needs.

    Plan(load=1_000, rules=rules, figures=figures).instances

    Attributes:
        load: Transactions a second, each a request and an event.
        rules: The environment's.
        figures: Those of `capacity.toml`.
    """

    load: int
    rules: Rules
    figures: Figures

    @property
    def instances(self) -> int:
        """Of the endpoint, as scaling counts them."""
        return max(self.rules.fewest, math.ceil(self.load / self.rules.per_instance))

    @property
    def challengers(self) -> int:
        """Instances of a challenger that answers all that it is asked."""
        return math.ceil(self.load * self.rules.shadow / self.rules.per_instance)

    @property
    def most_instances(self) -> int:
        """Instances while a version is taking over."""
        return FLEETS * self.instances + self.challengers

    @property
    def measured_instances(self) -> int:
        """Were an instance's cores like the one that was measured."""
        choices, rate = self.figures["choices"], self.figures["measured"]["transactions_per_second"]
        mine: float = rate * choices["cores_of_an_instance"] * choices["core_percent"] / 100
        return max(self.rules.fewest, math.ceil(self.load / mine))

    @property
    def shards(self) -> int:
        """Of each stream, if it has a fixed number."""
        taken: float = self.figures["rules"]["records_a_second_of_a_shard"]
        used: float = self.figures["choices"]["shard_percent"] / 100
        return math.ceil(self.load / (taken * used))

    @property
    def single_reads(self) -> float:
        """Calls of GetRecord a second, if no state is cached, the challenger's among them."""
        return SIDES * self.load * (1 + self.rules.shadow)

    @property
    def batch_reads(self) -> int:
        """Calls of BatchGetRecord a second at most."""
        return SIDES * self.shards * self.rules.fold_reads + self.rules.training_reads

    @property
    def read_units(self) -> float:
        """Of Feature Store a second: the endpoint, the challenger and the folds."""
        return self.load * (2 + self.rules.shadow) * self._units("read_unit_bytes")

    @property
    def write_units(self) -> float:
        """Of Feature Store a second: both states of each event."""
        return self.load * self._units("write_unit_bytes")

    @property
    def captured(self) -> float:
        """Bytes of captures a day, the challenger's among them."""
        return self._a_day("capture") * (1 + self.rules.shadow)

    @property
    def kept_offline(self) -> float:
        """Bytes a day of records that are written to the offline store as well."""
        return self._a_day("customer_record") + self._a_day("terminal_record")

    @property
    def landed(self) -> float:
        """Bytes of the lake's transactions a day."""
        return self._a_day("lake_row")

    @property
    def logged(self) -> float:
        """Bytes a day of the servers' metrics: a line a second of each worker, of all instances."""
        workers = (self.instances + self.challengers) * self.figures["choices"][
            "cores_of_an_instance"
        ]
        line = self.figures["sizes"]["metric_line"]
        return float(workers * line * SECONDS_A_DAY)

    def _units(self, unit: str) -> int:
        size = self.figures["rules"][unit]
        records = ("customer_record", "terminal_record")
        return sum(math.ceil(self.figures["sizes"][record] / size) for record in records)

    def _a_day(self, size: str) -> float:
        return float(self.load * self.figures["sizes"][size] * SECONDS_A_DAY)
