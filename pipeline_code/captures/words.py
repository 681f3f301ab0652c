"""Memory by its address: bytes, and eight of them at a time with the first one lowest.

An array costs seven arguments and a count of its users at every call, addresses nothing. Whoever
takes an address keeps to what is there. What numba has no name for are its compiler's instructions;
little-endian machines are all there is to run on.
"""
# numba gives all of this, needed or not.
# ruff: noqa: ARG001

from collections.abc import Callable
from typing import Any

import numpy as np

# Before numba is imported: it tells numba where to look for what was compiled.
from pipeline_code.common.compiled import compiled

# isort: split
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "WORD",
    "byte",
    "first_hit",
    "high_product",
    "leading_zeros",
    "put",
    "real",
    "special",
    "trailing_zeros",
    "whole",
    "word",
]

# Bytes of a word.
WORD = 8
# A byte times this is a word full of it.
EVERY_BYTE = np.uint64(0x0101010101010101)
TOP_BITS = np.uint64(0x8080808080808080)
QUOTES = np.uint64(ord('"')) * EVERY_BYTE
BACKSLASHES = np.uint64(ord("\\")) * EVERY_BYTE
SPACES = np.uint64(ord(" ")) * EVERY_BYTE
BITS_A_BYTE = 8
BYTE_TYPE, WORD_TYPE = ir.IntType(8), ir.IntType(64)

Typed = tuple[Any, Callable[..., Any]]


def _loading(kind: ir.Type, result: Any) -> Callable[[Any, Any], Typed]:
    """Reads what is of a kind at an address."""

    def load(_: Any, address: Any) -> Typed:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            found = builder.load(builder.inttoptr(arguments[0], kind.as_pointer()))
            found.align = 1
            return builder.zext(found, WORD_TYPE) if kind == BYTE_TYPE else found

        return result(types.int64), generate

    return load


def _put(_: Any, address: Any, value: Any) -> Typed:
    """Writes a number of eight bytes of any type."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], arguments[1].type.as_pointer())
        builder.store(arguments[1], place)
        return context.get_dummy_value()

    return types.void(types.int64, value), generate


def _counting(name: str) -> Callable[[Any, Any], Typed]:
    def count(_: Any, number: Any) -> Typed:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(arguments[0], ir.Constant(ir.IntType(1), 0))

        return types.int64(types.uint64), generate

    return count


def _high_product(_: Any, one: Any, other: Any) -> Typed:
    """The upper 64 bits of a product of 128."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


byte: Callable[[int], int] = intrinsic(_loading(BYTE_TYPE, types.int64))
word: Callable[[int], np.uint64] = intrinsic(_loading(WORD_TYPE, types.uint64))
whole: Callable[[int], int] = intrinsic(_loading(WORD_TYPE, types.int64))
real: Callable[[int], float] = intrinsic(_loading(ir.DoubleType(), types.float64))
put: Callable[[int, Any], None] = intrinsic(_put)
trailing_zeros: Callable[[np.uint64], int] = intrinsic(_counting("cttz"))
leading_zeros: Callable[[np.uint64], int] = intrinsic(_counting("ctlz"))
high_product: Callable[[np.uint64, np.uint64], np.uint64] = intrinsic(_high_product)


@compiled("u8(u8)", inline=True)
def special(text: np.uint64) -> np.uint64:
    """Bits that are set in the first byte that no JSON text has unescaped, or that is not ASCII."""
    quotes, backslashes = text ^ QUOTES, text ^ BACKSLASHES
    quote = (quotes - EVERY_BYTE) & ~quotes
    backslash = (backslashes - EVERY_BYTE) & ~backslashes
    control = (text - SPACES) & ~text
    return np.uint64((quote | backslash | control | text) & TOP_BITS)


@compiled("i8(u8)", inline=True)
def first_hit(bits: np.uint64) -> int:
    """The place of the first byte that has its upper bit set."""
    return trailing_zeros(bits) // BITS_A_BYTE
