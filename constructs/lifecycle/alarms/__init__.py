"""Alarms, and the topics that they go to."""

from lifecycle.alarms.alarm_topic import AlarmTopic

__all__ = ["AlarmTopic"]
