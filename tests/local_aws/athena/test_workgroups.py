"""What Athena tells of workgroups (as AWS answered: moto, tests/test_athena/test_athena.py)."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(("name", "enforced"), [("primary", False), ("made", True)])
def test_settings_that_nobody_gave(client: Callable[[str], Any], name: str, enforced: bool) -> None:
    athena = client("athena")
    if name != "primary":
        name = uuid.uuid4().hex
        athena.create_work_group(Name=name)
    assert athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"] == {
        "ResultConfiguration": {},
        "EnforceWorkGroupConfiguration": enforced,
        "PublishCloudWatchMetricsEnabled": False,
        "RequesterPaysEnabled": False,
        "EnableMinimumEncryptionConfiguration": False,
        "EngineVersion": {
            "SelectedEngineVersion": "AUTO",
            "EffectiveEngineVersion": "Athena engine version 3",
        },
    }
