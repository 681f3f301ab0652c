"""Eight bytes of text at a time, as an integer whose lowest byte is the first one.

What numba has no name for, as instructions of its compiler; little-endian machines are all there is
to run on.
"""
# numba gives all of this, needed or not.
# ruff: noqa: ARG001

from collections.abc import Callable
from typing import Any

import numpy as np

# Before numba is imported: it tells numba where to look for what was compiled.
from pipeline_code.features.compiled import compiled

# isort: split

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

__all__ = [
    "EVERY_BYTE",
    "WORD",
    "first_hit",
    "high_product",
    "leading_zeros",
    "special",
    "trailing_zeros",
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

Signature = Any


def _word(_: Any, data: Any, at: Any) -> tuple[Signature, Callable[..., Any]]:
    """The eight bytes of an array of bytes that begin at a place; all of them must be there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        found = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        found.align = 1
        return found

    return types.uint64(data, types.int64), generate


def _trailing_zeros(_: Any, number: Any) -> tuple[Signature, Callable[..., Any]]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def _leading_zeros(_: Any, number: Any) -> tuple[Signature, Callable[..., Any]]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def _high_product(_: Any, one: Any, other: Any) -> tuple[Signature, Callable[..., Any]]:
    """The upper 64 bits of a product of 128."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


word: Callable[..., np.uint64] = intrinsic(_word)
trailing_zeros: Callable[[np.uint64], int] = intrinsic(_trailing_zeros)
leading_zeros: Callable[[np.uint64], int] = intrinsic(_leading_zeros)
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
