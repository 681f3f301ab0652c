"""The captures of a transform job: manifests of what it read and of what it wrote.

Below `<destination>/input/yyyy/mm/dd/hh/` and `<destination>/output/...`, of the hour in which the
job began, as the monitor looks for them. The objects themselves are not copied.
"""

import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_aws.sagemaker import data


def write(
    client: Any,
    config: Mapping[str, Any],
    began: float,
    sides: Mapping[str, tuple[str, Sequence[str]]],
) -> None:
    """Write a job's manifests.

    Args:
        client: For S3, of the job's role.
        config: The job's DataCaptureConfig.
        began: When the job began, in seconds since the epoch.
        sides: For `input` and `output`, an address and the names of the objects below it.

    Raises:
        TransferError: If access is denied.
    """
    hour = f"{datetime.fromtimestamp(began, UTC):%Y/%m/%d/%H}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for side, (address, names) in sides.items():
            manifest = [{"prefix": f"{address.rstrip('/')}/"}, *names]
            target = folder / side / hour / f"{uuid.uuid4()}.json"
            target.parent.mkdir(parents=True)
            target.write_text(json.dumps(manifest))
        uri = config["DestinationS3Uri"]
        data.upload(client, data.S3Folder(uri=uri, path=folder, key_id=config.get("KmsKeyId")))
