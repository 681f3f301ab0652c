"""Stage 6: comparing the endpoint's traffic with what its model learned from."""

from lifecycle.monitoring.costs import CostConfig
from lifecycle.monitoring.dashboard import MonitoringDashboard
from lifecycle.monitoring.monitoring import Monitoring, MonitoringConfig

__all__ = ["CostConfig", "Monitoring", "MonitoringConfig", "MonitoringDashboard"]
