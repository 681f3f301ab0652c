"""A stream's record, and the sequence numbers that clients see."""

from dataclasses import dataclass

# As many digits as AWS's sequence numbers have, so that they sort as text too.
_SEQUENCE_BASE = 4960 * 10**52


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was put."""

    sequence: int
    arrival: float
    key: str
    data: bytes

    @property
    def number(self) -> str:
        """The sequence number as clients see it."""
        return sequence_number(self.sequence)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to be appended. Its bucket decides the lane of a consumer that has several."""

    shard: str
    key: str
    data: bytes
    bucket: int = 0


def sequence_number(sequence: int) -> str:
    """A position in the log as a sequence number."""
    return str(_SEQUENCE_BASE + sequence)


def sequence_of(number: str) -> int:
    """The position of a sequence number.

    Raises:
        ValueError: If it is none.
    """
    return int(number) - _SEQUENCE_BASE
