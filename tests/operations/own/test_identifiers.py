"""Ids of names are the same from file to file, and never those of another."""

import random
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.data.own.identifiers import DICTIONARY, Identifiers, Kind, occurrences
from operations.errors import OperationError

from .stores import Store

names = st.lists(st.text(min_size=1, max_size=12).filter(lambda text: "\x00" not in text))


def ids_of(values: Sequence[str | None], store: Store | None = None, **options: bool) -> list[int]:
    column = Identifiers(store or Store()).column(
        Kind.CUSTOMER, "customer_id", pa.array(values, pa.string()), **options
    )
    assert not column.refused.any()
    return [int(value) for value in column.values]


@given(names, st.randoms(use_true_random=False), st.integers(1, 5))
def test_an_id_depends_on_its_name_alone(
    came: list[str], chance: random.Random, piece: int
) -> None:
    came = [f"n{name}" for name in came]
    whole = dict(zip(came, ids_of(came), strict=True))
    shuffled = chance.sample(came, len(came))
    pieces = [shuffled[at : at + piece] for at in range(0, len(shuffled), piece)]
    for some in pieces:
        assert ids_of(some) == [whole[name] for name in some]
    assert len(set(whole.values())) == len(whole)
    assert all(0 <= value < 2**63 for value in whole.values())


def test_a_number_stays_itself_and_no_other_text_is_one() -> None:
    assert ids_of(["7", "0", str(2**63 - 1)]) == [7, 0, 2**63 - 1]
    others = ids_of(["007", "7 ", str(2**63), "7a", "\u0667", "12e4", "1 000"])
    assert not {7, 1000, 120000} & set(others)
    assert ids_of(["7"], every=True) != [7]
    assert ids_of(["-7", "7.5"], every=True) != ids_of(["7", "7.50"], every=True)


@pytest.mark.parametrize("text", ["-7", "7.5", "-0.5", "7.0", ".5", None])
def test_a_number_that_went_wrong_is_no_name(text: str | None) -> None:
    given = pa.array(["a", text], pa.string())
    column = Identifiers(Store()).column(Kind.TERMINAL, "terminal_id", given)
    assert column.refused.tolist() == [False, True]
    assert "terminal_id must be text or a whole number" in column.reason(1)


def test_kinds_and_keys_have_ids_of_their_own() -> None:
    made = {
        (kind, key): int(Identifiers(Store(key)).column(kind, "id", pa.array(["a"])).values[0])
        for kind in Kind
        for key in (b"k" * 32, b"l" * 32)
    }
    assert len(set(made.values())) == len(made)


def test_whole_numbers_need_no_key() -> None:
    store = Store()
    ids_of(["1", "2"], store)
    Identifiers(store).column(Kind.CUSTOMER, "customer_id", pa.array([1, 2]))
    assert store.asked == 0


def test_two_names_with_one_id_are_refused_and_named() -> None:
    few = Identifiers(Store(), bits=4)
    with pytest.raises(OperationError, match="two customers must not have one id, got 'n"):
        few.column(Kind.CUSTOMER, "customer_id", pa.array([f"n{n}" for n in range(17)]))


def test_a_name_with_the_id_of_one_before_is_refused() -> None:
    (taken,) = ids_of(["new"])
    known = {Kind.CUSTOMER: pa.table([[taken], ["old"]], DICTIONARY)}
    with pytest.raises(OperationError, match=r"'new' and 'old'|'old' and 'new'"):
        ids_of(["new"], Store(known=known))


def test_only_what_is_new_is_noted() -> None:
    (taken,) = ids_of(["old"])
    store = Store(known={Kind.CUSTOMER: pa.table([[taken], ["old"]], DICTIONARY)})
    made = Identifiers(store)
    column = made.column(Kind.CUSTOMER, "customer_id", pa.array(["old", "new", "5", "new"]))
    noted = made.new[Kind.CUSTOMER].to_pylist()
    assert noted == [{"id": int(column.values[1]), "text": "new"}]


rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from("ab")), max_size=20)


@given(rows, st.randoms(use_true_random=False))
def test_those_alike_are_told_apart_whatever_their_order(
    came: list[tuple[int, int, str]], chance: random.Random
) -> None:
    def made(those: list[tuple[int, int, str]]) -> list[tuple[str, int]]:
        whole = np.array([row[:2] for row in those], np.int64).reshape(-1, 2)
        order = occurrences(whole, lambda places: [those[place][2] for place in places])
        ids = Identifiers(Store()).made(whole, order)
        assert len(set(ids.tolist())) == len(those)
        return sorted((text, id_) for (_, _, text), id_ in zip(those, ids.tolist(), strict=True))

    assert made(came) == made(chance.sample(came, len(came)))
