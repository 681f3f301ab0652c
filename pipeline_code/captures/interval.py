"""The interval of captured exchanges that are meant, by the time of their responses."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Inference times from `start` on, before `end`; None is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is inside."""
        after = self.start is None or moment >= self.start
        return after and (self.end is None or moment < self.end)
