"""Walks flattened trees: machine code without Python's lock, and without a branch to guess wrong.

A value becomes an unsigned integer of the same order, once a row: comparing these is exact, and the
integer of a missing value lies below or above all others, whichever way its node sends it. A leaf
leads to itself, so that all walks through a tree have its depth. Sums are taken in the trees'
order and in single precision, as the library's, so they are its to the last bit.

Of a node three integers are given: the split's, the place of its left child (the right one's
follows) and the column of a row's integers that it compares. Trees' roots are the nodes 1, 2, ...
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.common.compiled import compiled

__all__ = ["add_to_few", "add_to_many", "ordered"]

Floats = npt.NDArray[np.float32]
Orders = npt.NDArray[np.uint32]

SIGN = np.uint32(0x80000000)
BELOW_ALL = np.uint32(0)
ABOVE_ALL = np.uint32(0xFFFFFFFF)
# Rows that go through a tree side by side: their integers and the tree stay in the nearest cache.
BLOCK = 64


@compiled("void(f4[::1], u4[::1])")
def ordered(row: Floats, orders: Orders) -> None:
    """Writes a row's integers twice: missing values below all others, then above."""
    bits = row.view(np.uint32)
    for column in range(len(row)):
        value = bits[column]
        if row[column] != row[column]:  # true of a missing one
            orders[column] = BELOW_ALL
            orders[column + len(row)] = ABOVE_ALL
            continue
        if value == SIGN:  # the negative zero equals the other
            value = np.uint32(0)
        order = ~value if value & SIGN else value | SIGN
        orders[column] = order
        orders[column + len(row)] = order


@compiled("void(f4[:, ::1], u4[:, ::1], f4[::1], i8[::1], i8, f4[::1])")
def add_to_few(
    rows: Floats,
    nodes: Orders,
    values: Floats,
    depths: npt.NDArray[np.int64],
    deepest: int,
    margins: Floats,
) -> None:
    """Adds every tree to each row's margin, row by row.

    All trees go down a level together: none waits for what another reads from memory.

    Args:
        rows: The rows.
        nodes: The trees' nodes.
        values: What each node adds, if it is a leaf.
        depths: Of each tree.
        deepest: The largest of them.
        margins: Where to add; holds the base.
    """
    trees = len(depths)
    orders = np.empty(2 * rows.shape[1], np.uint32)
    indices = np.empty(trees, np.uint32)
    for row in range(len(rows)):
        ordered(rows[row], orders)
        for tree in range(trees):
            indices[tree] = tree + 1
        for _ in range(deepest):
            for tree in range(trees):
                node = indices[tree]
                indices[tree] = nodes[node, 1] + np.uint32(orders[nodes[node, 2]] >= nodes[node, 0])
        margin = margins[row]
        for tree in range(trees):
            margin += values[indices[tree]]
        margins[row] = margin


@compiled("void(f4[:, ::1], u4[:, ::1], f4[::1], i8[::1], f4[::1])")
def add_to_many(
    rows: Floats,
    nodes: Orders,
    values: Floats,
    depths: npt.NDArray[np.int64],
    margins: Floats,
) -> None:
    """The same as `add_to_few`, tree by tree: a block's rows go down a level together."""
    width = np.uint32(2 * rows.shape[1])
    orders = np.empty(width * BLOCK, np.uint32)
    indices = np.empty(BLOCK, np.uint32)
    for start in range(0, len(rows), BLOCK):
        count = min(BLOCK, len(rows) - start)
        for row in range(count):
            ordered(rows[start + row], orders[row * width : (row + 1) * width])
        for tree in range(len(depths)):
            for row in range(count):
                indices[row] = tree + 1
            for _ in range(depths[tree]):
                for row in range(count):
                    node = indices[row]
                    order = orders[np.uint32(row) * width + nodes[node, 2]]
                    indices[row] = nodes[node, 1] + np.uint32(order >= nodes[node, 0])
            for row in range(count):
                margins[start + row] += values[indices[row]]
