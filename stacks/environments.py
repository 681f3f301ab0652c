"""Every environment's values, in one place; a stack reads nothing else about where it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from lifecycle.batch import BatchScoringConfig
from lifecycle.endpoint import (
    Canary,
    EndpointConfig,
    HealthConfig,
    RolloutConfig,
    ScoreLimits,
    ServerConfig,
    ShadowConfig,
)
from lifecycle.features import FeatureStoreConfig, StoreReads
from lifecycle.lake import CatalogConfig, DataLakeConfig
from lifecycle.monitoring import CostConfig, MonitoringConfig
from lifecycle.parity import ParityAuditConfig
from lifecycle.retraining import RetrainingConfig
from lifecycle.streaming import ON_DEMAND_SHARDS, ConsumerConfig, LandingConfig, StreamConfig
from lifecycle.training import GateConfig, TrainingConfig
from pipeline_code.contracts.decisions import APPROVED, PENDING
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.resources import (
    PRODUCT,
    database_name,
    metric_namespace,
    parameter_name,
    resource_name,
)

__all__ = ["ENVIRONMENTS", "Environment", "environment_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One copy of the system: its name, its sizes and how careful it is with data.

    Environment(name="local").resource_name("training")  # fraudloop-local-training

    Attributes:
        name: Part of every physical name, so that environments can share an account.
        may_delete_data: Whether deleting a stack may delete data. It takes a second key: the
            capability's own configuration has to ask for it.
        lake: How long data is kept.
        catalog: What a query may read.
        feature_store: What becomes of the feature groups with their stack, and how fast they are
            read; that is checked against what an on-demand stream has at first.
        stream: How much the streams of events take and how long they keep it.
        consumers: How the streams are read.
        landing: When the stream's events are written to the lake.
        training: What the training pipeline trains on and demands of a model.
        endpoint: The endpoint's compute and how a new version gets its traffic.
        batch_scoring: The compute of offline scoring, and its limits.
        monitoring: How the endpoint's traffic is watched.
        costs: What instances cost, for the dashboard.
        parity: How its answers' features are audited.
        retraining: When the pipeline is started again.
    """

    name: str
    may_delete_data: bool = False
    lake: DataLakeConfig = field(default_factory=DataLakeConfig)
    catalog: CatalogConfig = field(default_factory=CatalogConfig)
    feature_store: FeatureStoreConfig = field(default_factory=FeatureStoreConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    consumers: ConsumerConfig = field(default_factory=ConsumerConfig)
    landing: LandingConfig = field(default_factory=LandingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    batch_scoring: BatchScoringConfig = field(default_factory=BatchScoringConfig)
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)
    costs: CostConfig = field(default_factory=CostConfig)
    parity: ParityAuditConfig = field(default_factory=ParityAuditConfig)
    retraining: RetrainingConfig = field(default_factory=RetrainingConfig)

    def __post_init__(self) -> None:
        if not (self.name.isalnum() and self.name.islower()):
            raise ValueError(
                f"name must be lower-case letters and digits, got {self.name}; use one like dev"
            )
        if self.consumers.max_record_age_hours >= self.stream.retention_hours:
            raise ValueError(
                "consumers.max_record_age_hours must be less than stream.retention_hours of "
                f"{self.stream.retention_hours}, got {self.consumers.max_record_age_hours}; a "
                "record that failed must still be in the stream to be handled again"
            )
        shards = ON_DEMAND_SHARDS if self.stream.shards is None else self.stream.shards
        self.feature_store.reads.check(shards * self.consumers.concurrent_batches)
        if self.endpoint.serverless is not None and self.has_monitoring:
            raise ValueError(
                "monitoring.engine must be none with endpoint.serverless, got "
                f"{self.monitoring.engine}; SageMaker captures nothing of a serverless endpoint, "
                "so that a monitor would wait for ever: set it to none, or use instances by "
                "leaving out endpoint.serverless"
            )

    @property
    def has_monitoring(self) -> bool:
        """Whether what the endpoint captures is analyzed and audited."""
        return self.monitoring.engine != "none"

    def resource_name(self, capability: str) -> str:
        """The physical name of what another system has to type."""
        return resource_name(self.name, capability)

    @property
    def event_stream_name(self) -> str:
        """The Kinesis stream onto which producers put transactions and fraud reports."""
        return self.resource_name("events")

    @property
    def terminal_event_stream_name(self) -> str:
        """The Kinesis stream of the same events by terminal, behind the first."""
        return self.resource_name("terminal-events")

    @property
    def training_pipeline_name(self) -> str:
        """The SageMaker pipeline that trains, gates and registers."""
        return self.resource_name("training")

    @property
    def batch_pipeline_name(self) -> str:
        """The SageMaker pipeline that scores files of transactions with the approved model."""
        return self.resource_name("batch-scoring")

    @property
    def model_package_group_name(self) -> str:
        """The registry's group that holds every version of the model."""
        return self.resource_name("fraud")

    @property
    def endpoint_name(self) -> str:
        """The endpoint; it names no version, because a new name would mean an outage."""
        return self.resource_name("fraud")

    @property
    def monitor_names(self) -> Mapping[MonitorKind, str]:
        """The schedules (or pipelines) that analyze what the endpoint captured, by kind."""
        return MappingProxyType({kind: self.resource_name(kind.value) for kind in MonitorKind})

    @property
    def labels_pipeline_name(self) -> str:
        """The SageMaker pipeline that joins fraud reports with predictions."""
        return self.resource_name("labels")

    @property
    def parity_pipeline_name(self) -> str:
        """The SageMaker pipeline that audits the features of captured answers."""
        return self.resource_name("parity")

    @property
    def approved_model_parameter_name(self) -> str:
        """The SSM parameter that names the approved model package, `none` before the first."""
        return parameter_name(self.name, "approved-model-package")

    @property
    def challenger_parameter_name(self) -> str:
        """The SSM parameter that names the package in the shadow, `none` while there is none."""
        return parameter_name(self.name, "challenger-model-package")

    @property
    def deployment_state_parameter_name(self) -> str:
        """The SSM parameter that says what became of the last deployment."""
        return parameter_name(self.name, "deployment-state")

    @property
    def retraining_state_parameter_name(self) -> str:
        """The SSM parameter that says what was retrained and what for."""
        return parameter_name(self.name, "retraining-state")

    @property
    def metric_namespace(self) -> str:
        """The CloudWatch namespace of the server's and the analyzer's metrics."""
        return metric_namespace(self.name)

    @property
    def database_name(self) -> str:
        """The Glue database; Athena wants no hyphen in it."""
        return database_name(self.name)

    @property
    def workgroup_name(self) -> str:
        """The Athena workgroup."""
        return f"{PRODUCT}-{self.name}"

    def feature_group_name(self, entity: str, version: str) -> str:
        """The feature group of an entity; a new schema version is a new group, beside the old."""
        return self.resource_name(f"{entity}-{version}")


LOCAL = Environment(
    name="local",
    may_delete_data=True,
    lake=DataLakeConfig(delete_with_stack=True),
    # Of a laptop's folds there is one, and nobody waits for AWS.
    feature_store=FeatureStoreConfig(delete_with_stack=True, reads=StoreReads(fold=100)),
    stream=StreamConfig(shards=1, retention_hours=48, delete_with_stack=True),
    consumers=ConsumerConfig(retries=3),
    landing=LandingConfig(buffer_seconds=2),
    # The simulated bank has 200 cards.
    training=TrainingConfig(train_days=21, test_days=7, gate=GateConfig(reviews_per_day=10)),
    endpoint=EndpointConfig(
        # The embedded AWS reads metrics at once: a canary of seconds is enough for its alarms.
        rollout=RolloutConfig(strategy=Canary(wait_seconds=5), old_fleet_seconds=0),
        # A laptop's store takes its time, and a state that was just folded must be seen.
        server=ServerConfig(workers=1, store_budget_milliseconds=2000, state_cache_seconds=0),
        health=HealthConfig(
            # What else a laptop does says nothing of a version's own pace.
            max_slowdown=None,
            # Ten reviews a day of 200 cards flag a lot, and of a week that drifts more than half.
            # Weeks pass within minutes, so that old and new fleet flag what is of different ones.
            scores=ScoreLimits(min_answers=20, max_flagged_percent=90.0, max_flagged_ratio=None),
        ),
        shadow=ShadowConfig(),
    ),
    monitoring=MonitoringConfig(engine="model_monitor"),
    parity=ParityAuditConfig(schedule=None, settle_minutes=0),
    # On a laptop, weeks pass within minutes.
    retraining=RetrainingConfig(cool_down_minutes=10, daily_budget=20),
)
DEV = Environment(name="dev", training=TrainingConfig(approval_status=APPROVED))
PROD = replace(
    DEV,
    name="prod",
    training=TrainingConfig(approval_status=PENDING),
    endpoint=EndpointConfig(shadow=ShadowConfig()),
    retraining=RetrainingConfig(schedule="rate(7 days)"),
)

ENVIRONMENTS: Mapping[str, Environment] = MappingProxyType(
    {environment.name: environment for environment in (LOCAL, DEV, PROD)}
)


def environment_named(name: str) -> Environment:
    """The environment of that name.

    Raises:
        ValueError: If there is none; an unknown name never falls back to another environment.
    """
    try:
        return ENVIRONMENTS[name]
    except KeyError:
        known = ", ".join(ENVIRONMENTS)
        raise ValueError(
            f"environment must be one of {known}, got {name}; "
            "add its values to stacks/environments.py"
        ) from None
