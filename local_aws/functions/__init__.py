"""Lambda: functions, who invokes them, and mappings to queues."""
