"""Bringing events in: checked, landed in the lake by day, and folded into the online store."""

import tempfile
from pathlib import Path
from typing import Any

from pipeline_code.features.store import fold_into_store

from operations import lake
from operations.errors import OperationError
from operations.replay import Stream, feature_groups
from operations.target import Target
from pipeline_code.common.landing import read_layout, read_user_file, write_layout


def read_events(path: Path) -> Stream:
    """Events of a user's file (Parquet or CSV) or of a folder in the lake's layout.

    Raises:
        OperationError: If there is nothing at the path.
        BadInput: If a row breaks a rule; the message names file, row and rule.
    """
    if not path.exists():
        raise OperationError(f"path must be a file or folder, got {path}, which does not exist")
    if path.is_dir():
        layout = read_layout(path)
        return Stream(layout.transactions, layout.fraud_reports)
    return Stream(*read_user_file(path))


def ingest(target: Target, path: Path, *, online: bool) -> dict[str, Any]:
    """Land a file or folder in the lake; nothing is uploaded unless all of it is good."""
    events = read_events(path)
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
        write_layout(Path(folder), events.transactions, events.fraud_reports)
        keys = lake.upload(target, Path(folder))
    if online:
        client = target.client("sagemaker-featurestore-runtime")
        fold_into_store(client, feature_groups(target), events.transactions, events.fraud_reports)
    return {
        "transactions": events.transactions.num_rows,
        "fraud_reports": events.fraud_reports.num_rows,
        "bucket": target.output("RawBucketName"),
        "objects": len(keys),
        "online": online,
    }
