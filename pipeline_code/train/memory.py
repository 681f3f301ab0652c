"""The memory that rows may take, by what the container may use."""

import os
from pathlib import Path

from pipeline_code.common.exits import BadInput

__all__ = ["available_bytes", "lies_on_disk"]

# XGBoost, measured: a value's bin by row and by column, and a row's gradients, log-odds, label and
# places in the trees.
BYTES_PER_VALUE = 2
BYTES_PER_ROW = 100
# scikit-learn: the value as it is beside its bin.
WHOLE_BYTES_PER_VALUE = 5
# The rest is for the sketches, batches being read and the histograms.
USABLE_SHARE = 0.6

_CGROUP_FILES = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def available_bytes() -> int:
    """Memory that this process may still take, of the machine or of its container."""
    limits = [_machine()]
    for limit, used in _CGROUP_FILES:
        given = _number(Path(limit))
        if given is not None:
            limits.append(given - (_number(Path(used)) or 0))
    return max(min(limits), 0)


def lies_on_disk(choice: str, rows: int, features: int, scales_out: bool) -> bool:
    """Whether the matrix of a host's rows is to be in external memory.

    Args:
        choice: Hyperparameter `external_memory`.
        rows: The host's rows.
        features: Their features.
        scales_out: Whether the algorithm can.

    Raises:
        BadInput: They must be in memory, and there is none for them.
    """
    if choice != "auto":
        return choice == "on"
    per_value = BYTES_PER_VALUE if scales_out else WHOLE_BYTES_PER_VALUE
    needed = rows * (per_value * features + BYTES_PER_ROW)
    there = available_bytes() * USABLE_SHARE
    if needed > there and not scales_out:
        raise BadInput(
            f"the rows must fit into {there / 2**20:.0f} MiB of memory for this algorithm, "
            f"got {needed / 2**20:.0f}; use xgboost or a larger instance"
        )
    return needed > there


def _machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    amounts = dict(line.split(":", 1) for line in lines)
    # Unlike free memory this counts what the page cache would give back.
    return int(amounts["MemAvailable"].split()[0]) * 1024


def _number(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
