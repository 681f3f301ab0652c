"""What the alarms of two versions say of a roll-back: whether only the old fleet was to blame."""

import json
from collections.abc import Iterator
from datetime import datetime

import boto3
from pipeline_code.contracts.alarms import OF_BOTH_FLEETS, VersionAlarm, alarm_name

__all__ = ["VersionAlarms"]


class VersionAlarms:
    """The alarms of a stack, each named after the version that it judges.

    Their histories are asked, and not SageMaker's words, which are not documented. "CloudWatch
    retains the history of an alarm even if you delete the alarm" (API reference,
    DescribeAlarmHistory), as a roll-back does with those of the version that was new. Those of the
    version before stay throughout.

    Needs: cloudwatch:DescribeAlarmHistory on the stack's alarms.
    """

    def __init__(self, stack_name: str) -> None:
        self._cloudwatch = boto3.client("cloudwatch")
        self._stack_name = stack_name

    def only_old_fleet(self, new: str, old: str, begun: datetime, ended: datetime) -> bool:
        """Whether the old fleet alone set off what rolled a deployment back.

        So it is if no alarm on the new version's own metrics went off, and one on the metrics of
        both fleets did that was on before there was a new one, or while the old version failed by
        its own count. With nothing that speaks against the old fleet, it was the new version: one
        whose server dies counts nothing.

        Args:
            new: ARN of the package that was to serve.
            old: ARN of the one that served.
            begun: When the update was asked for.
            ended: When the stack had been rolled back.
        """
        if any(
            self._was_on(kind, new, begun, ended)
            for kind in VersionAlarm
            if kind not in OF_BOTH_FLEETS
        ):
            return False
        return any(
            self._was_on(kind, new, begun, ended) and self._was_ill(kind, old, begun, ended)
            for kind in OF_BOTH_FLEETS
        )

    def _was_ill(self, kind: VersionAlarm, old: str, begun: datetime, ended: datetime) -> bool:
        if self._was_on(kind, old, begun, begun):
            return True
        failed = VersionAlarm.FAILED_ANSWERS
        return kind is VersionAlarm.ERRORS and self._was_on(failed, old, begun, ended)

    def _was_on(self, kind: VersionAlarm, package: str, begin: datetime, end: datetime) -> bool:
        """Whether a version's alarm was in ALARM at some moment."""
        is_on = False
        for moment, state in self._transitions(kind, package):
            if moment > end:
                break
            if moment > begin and is_on:
                return True
            is_on = state == "ALARM"
        return is_on

    def _transitions(self, kind: VersionAlarm, package: str) -> Iterator[tuple[datetime, str]]:
        """When the alarm came into which state, the oldest first."""
        pages = self._cloudwatch.get_paginator("describe_alarm_history").paginate(
            AlarmName=alarm_name(self._stack_name, kind, package.rpartition("/")[2]),
            HistoryItemType="StateUpdate",
            ScanBy="TimestampAscending",
        )
        for page in pages:
            for item in page["AlarmHistoryItems"]:
                state = json.loads(item["HistoryData"])["newState"]["stateValue"]
                yield item["Timestamp"], state
