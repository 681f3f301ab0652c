"""Entry point `labels`: judges captured predictions by the fraud reports that came since, daily.

    python -m pipeline_code labels

Reads what `pipeline_code.labels.settings` names: the captures of the last LOOK_BACK_HOURS, and the
lake. A prediction whose transaction is LABEL_DELAY_DAYS old is a fraud if it was reported, and none
otherwise; how far the lake has come counts and not the clock, so that a lake that stands still
judges nothing. Writes GROUND_TRUTH_URI/yyyy/mm/dd/hh/labels.jsonl by the hour of the prediction, as
Model Monitor wants it (`pipeline_code.captures.ground_truth`), and publishes metrics
(`pipeline_code.labels.publishing`).

output/message says how many were judged. Nothing to judge is no failure; a capture or a file of the
lake that cannot be read is one.
"""

import argparse
import os
from collections.abc import Sequence

import boto3
from botocore.config import Config

from pipeline_code.captures.hour_files import hour_files
from pipeline_code.common.exits import BadInput, shortened
from pipeline_code.common.paths import failure_file
from pipeline_code.contracts.environment import read
from pipeline_code.labels.job import write_labels
from pipeline_code.labels.lake import Lake
from pipeline_code.labels.publishing import publish
from pipeline_code.labels.settings import LabelSettings

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Runs the processing job."""
    argparse.ArgumentParser(prog="labels", description="judge predictions").parse_args(argv)
    settings = read(LabelSettings, os.environ, BadInput)
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    lake = Lake.of(boto3.client("s3", config=config), settings.raw_uri)
    outcome = write_labels(settings, lake, hour_files(settings.ground_truth_uri))
    if settings.metric_namespace is not None:
        publish(
            outcome,
            namespace=settings.metric_namespace,
            endpoint_name=settings.endpoint_name,
            cloudwatch=boto3.client("cloudwatch", config=config),
        )
    message = outcome.message()
    print(message)
    file = failure_file("labels")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(shortened(message), encoding="utf-8")
    return 0
