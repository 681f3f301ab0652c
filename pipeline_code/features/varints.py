"""Integers as few bytes: zigzag and LEB128, the variable-length form of Protocol Buffers."""

import numpy as np
import numpy.typing as npt

from pipeline_code.features.compiled import compiled

__all__ = ["pack", "unpack"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# 64 bits, seven a byte.
LONGEST = 10
SEVEN = np.uint64(7)
CONTINUED = np.uint64(0x80)
PAYLOAD = np.uint64(0x7F)


@compiled("u1[::1](i8[::1])")
def pack(values: Ints) -> Bytes:
    """The bytes of integers; small ones, of either sign, take few."""
    data = np.empty(LONGEST * len(values), np.uint8)
    size = 0
    for value in values:
        rest = np.uint64((value << 1) ^ (value >> 63))
        while rest >= CONTINUED:
            data[size] = np.uint8((rest & PAYLOAD) | CONTINUED)
            rest >>= SEVEN
            size += 1
        data[size] = np.uint8(rest)
        size += 1
    return data[:size].copy()


@compiled("i8[::1](u1[::1], i8)")
def unpack(data: Bytes, count: int) -> Ints:
    """So many integers that `pack` wrote; fewer if the bytes end too early or go on after them."""
    values = np.empty(count, np.int64)
    place = 0
    for item in range(count):
        rest, shift = np.uint64(0), np.uint64(0)
        while place < len(data) and data[place] >= CONTINUED:
            rest |= (np.uint64(data[place]) & PAYLOAD) << shift
            shift += SEVEN
            place += 1
        if place == len(data):
            return values[:item]
        rest |= np.uint64(data[place]) << shift
        place += 1
        values[item] = np.int64(rest >> np.uint64(1)) ^ -np.int64(rest & np.uint64(1))
    return values if place == len(data) else values[:0]
