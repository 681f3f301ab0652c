"""A state's lists as few bytes: small differences, in zigzag and LEB128 as Protocol Buffers has it.

Times, ids and starts of hops rise by little from row to row, so their steps are written; all other
numbers are written as they are.
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.common.compiled import compiled

__all__ = ["pack", "unpack"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# 64 bits, seven a byte.
LONGEST = 10
SEVEN = np.uint64(7)
CONTINUED = np.uint64(0x80)
PAYLOAD = np.uint64(0x7F)


@compiled("i8(u1[::1], i8, i8[:, ::1], i8, i8)")
def _pack_list(data: Bytes, size: int, rows: Ints, stepping: int, columns: int) -> int:
    for column in range(columns):
        before = np.int64(0)
        for row in range(len(rows)):
            value = rows[row, column] - before
            if column < stepping:
                before = rows[row, column]
            rest = np.uint64((value << 1) ^ (value >> 63))
            while rest >= CONTINUED:
                data[size] = np.uint8((rest & PAYLOAD) | CONTINUED)
                rest >>= SEVEN
                size += 1
            data[size] = np.uint8(rest)
            size += 1
    return size


@compiled("i8(u1[::1], i8, i8[:, ::1], i8, i8)")
def _unpack_list(data: Bytes, index: int, rows: Ints, stepping: int, columns: int) -> int:
    for column in range(columns):
        before = np.int64(0)
        for row in range(len(rows)):
            rest, shift = np.uint64(0), np.uint64(0)
            while index < len(data) and data[index] >= CONTINUED:
                rest |= (np.uint64(data[index]) & PAYLOAD) << shift
                shift += SEVEN
                index += 1
            if index >= len(data):
                return len(data) + 1
            rest |= np.uint64(data[index]) << shift
            index += 1
            value = np.int64(rest >> np.uint64(1)) ^ -np.int64(rest & np.uint64(1))
            rows[row, column] = value + before
            if column < stepping:
                before = rows[row, column]
    return index


@compiled("u1[::1](i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1])")
def pack(recent: Ints, hops: Ints, reported: Ints, reported_hops: Ints) -> Bytes:
    """The bytes of a state's transactions and reports (`pipeline_code.features.folding`).

    Reports have no amounts, which are left out.
    """
    numbers = 3 * len(recent) + 4 * len(hops) + 2 * len(reported) + 2 * len(reported_hops)
    data = np.empty(LONGEST * numbers, np.uint8)
    size = _pack_list(data, 0, recent, 2, 3)
    size = _pack_list(data, size, hops, 1, 4)
    size = _pack_list(data, size, reported, 2, 2)
    size = _pack_list(data, size, reported_hops, 1, 2)
    return data[:size].copy()


@compiled("b1(u1[::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1])")
def unpack(data: Bytes, recent: Ints, hops: Ints, reported: Ints, reported_hops: Ints) -> bool:
    """Fills lists, zeroed and as long as those that were packed; False if the bytes do not fit."""
    index = _unpack_list(data, 0, recent, 2, 3)
    index = _unpack_list(data, index, hops, 1, 4)
    index = _unpack_list(data, index, reported, 2, 2)
    index = _unpack_list(data, index, reported_hops, 1, 2)
    return bool(index == len(data))
