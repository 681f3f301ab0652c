"""Environments that nobody deploys: what the three that are leave out is synthesized here."""

from dataclasses import replace

from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.rollout import Linear, RolloutConfig
from lifecycle.endpoint.scaling import ScalingConfig, ScheduledFloor
from lifecycle.endpoint.serverless import ServerlessConfig
from lifecycle.endpoint.shadow import ShadowConfig
from lifecycle.monitoring.monitoring import MonitoringConfig
from stacks.environments import DEV

SERVERLESS = replace(
    DEV,
    name="serverless",
    endpoint=EndpointConfig(serverless=ServerlessConfig(provisioned_concurrency=1)),
    monitoring=MonitoringConfig(engine="none"),
)
LINEAR = replace(
    DEV,
    name="linear",
    endpoint=EndpointConfig(
        rollout=RolloutConfig(strategy=Linear(step_percent=25, wait_seconds=60)),
        scaling=ScalingConfig(
            min_instances=6,
            max_instances=12,
            floors=[
                ScheduledFloor(
                    name="night",
                    schedule="cron(0 22 * * ? *)",
                    timezone="Europe/Berlin",
                    min_instances=4,
                    max_instances=8,
                ),
                ScheduledFloor(name="day", schedule="cron(0 6 * * ? *)", min_instances=6),
            ],
        ),
        shadow=ShadowConfig(percent=10, instance_count=2, instance_type="ml.c6i.xlarge"),
    ),
)
VARIANTS = {environment.name: environment for environment in (SERVERLESS, LINEAR)}
