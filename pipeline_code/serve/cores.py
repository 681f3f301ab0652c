"""The number of processors that this container may use."""

import os
from pathlib import Path

__all__ = ["available_cores"]

CGROUPS = Path("/sys/fs/cgroup")


def available_cores(cgroups: Path = CGROUPS) -> int:
    """The processors that the scheduler gives this process, within its container's quota.

    At least 1; a part of a processor does not count.
    """
    # os.process_cpu_count needs Python 3.13, and knows nothing of quotas either.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota(cgroups)
    return max(1, int(min(cores or 1, float("inf") if quota is None else quota)))


def _quota(cgroups: Path) -> float | None:
    """Processors' worth of time, by version 2 of control groups or by version 1."""
    quota, period = _numbers(cgroups / "cpu.max")
    if quota is None:
        quota, _ = _numbers(cgroups / "cpu" / "cpu.cfs_quota_us")
        period, _ = _numbers(cgroups / "cpu" / "cpu.cfs_period_us")
    if quota is None or period is None or quota <= 0 or period <= 0:
        return None
    return quota / period


def _numbers(file: Path) -> tuple[int | None, int | None]:
    """The first two numbers of a file; None for what is missing or, as `max`, none."""
    try:
        words = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return None, None
    first, second, *_ = [int(word) if word.lstrip("-").isdecimal() else None for word in words] + [
        None,
        None,
    ]
    return first, second
