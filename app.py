"""The CDK app: `build_app` for tests and tools, three lines for the CDK CLI."""

from __future__ import annotations

import json
import os
from pathlib import Path

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from lifecycle.image import code_revision
from stacks.data_lake import DataLakeStack
from stacks.environments import Environment, environment_named
from stacks.feature_store import FeatureStoreStack
from stacks.monitoring import MonitoringStack
from stacks.retraining import RetrainingStack
from stacks.serving import ServingStack
from stacks.streaming import StreamingStack
from stacks.training import TrainingStack

# Feature flags change what is synthesized; read from here, they are the same for `cdk synth`,
# `python app.py` and pytest.
SETTINGS = Path(__file__).with_name("cdk.json")


def build_app(
    environment: str | Environment | None = None, *, outdir: str | None = None
) -> cdk.App:
    """All stacks of one environment, checked by cdk-nag when synthesized.

    build_app("prod").synth()

    Args:
        environment: Which one, or its name. If omitted, the context's `environment`.
        outdir: Where the cloud assembly is written. If omitted, the CDK decides.

    Raises:
        ValueError: If there is no such environment, or the context's `revision` is no revision.
    """
    app = cdk.App(
        context=json.loads(SETTINGS.read_text())["context"],
        outdir=outdir,
        analytics_reporting=False,
        # Its engine takes as long as the rest: `tests/nag` runs it on every environment, once.
        builtin_cloud_formation_validation=False,
    )
    wanted = app.node.get_context("environment") if environment is None else environment
    _add_stacks(app, wanted if isinstance(wanted, Environment) else environment_named(wanted))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def _add_stacks(app: cdk.App, environment: Environment) -> None:
    """The stages in the order in which they need each other."""
    data_lake = DataLakeStack(app, "DataLake", environment=environment)
    lake = data_lake.lake
    feature_store = FeatureStoreStack(app, "FeatureStore", environment=environment, lake=lake)
    training = TrainingStack(
        app,
        "Training",
        environment=environment,
        lake=lake,
        feature_store=feature_store.store,
        revision=code_revision(app),
    )
    # Stacks that know each other by typed names only have to be told their order.
    training.node.add_dependency(feature_store)
    StreamingStack(
        app,
        "Streaming",
        environment=environment,
        lake=lake,
        catalog=data_lake.catalog,
        store=feature_store.store,
        image=training.image,
    ).node.add_dependency(feature_store)
    serving = ServingStack(
        app,
        "Serving",
        environment=environment,
        lake=lake,
        store=feature_store.store,
        image=training.image,
    )
    serving.node.add_dependency(training)
    monitoring = _add_monitoring(app, environment, data_lake, feature_store, training)
    if monitoring is not None:
        monitoring.node.add_dependency(serving)
    RetrainingStack(
        app,
        "Retraining",
        environment=environment,
        lake=lake,
        quality_alarm=None if monitoring is None else monitoring.quality_alarm,
        alarm_topic=serving.alarm_topic if monitoring is None else monitoring.alarm_topic,
    )


def _add_monitoring(
    app: cdk.App,
    environment: Environment,
    data_lake: DataLakeStack,
    feature_store: FeatureStoreStack,
    training: TrainingStack,
) -> MonitoringStack | None:
    """The monitors; none in an environment whose endpoint captures nothing."""
    if not environment.has_monitoring:
        return None
    return MonitoringStack(
        app,
        "Monitoring",
        environment=environment,
        lake=data_lake.lake,
        store=feature_store.store,
        image=training.image,
    )


if __name__ == "__main__":
    # The CDK CLI says where it wants the assembly; by hand, it lands where the CLI would put it.
    build_app(outdir=os.environ.get("CDK_OUTDIR", "cdk.out")).synth()
