"""The JSONPath of batch transform's filters."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.transform.json_paths import NoSuchPartError, parse
from local_aws.sagemaker.transform.records import CSV, Processing

RECORD = {"id": 7, "x": {"a-b": [1, 2, 3], "c": 4}, "rows": [{"v": 1}, {"v": 2}]}
CELLS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), min_size=1
)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ("$['id', \"rows\"]", {"id": 7, "rows": RECORD["rows"]}),
        ("$.x.a-b[0]", 1),
        ("$.x['a-b'][-1]", 3),
        ("$.x.a-b[0,2]", [1, 3]),
        ("$.x.a-b[1:]", [2, 3]),
        ("$.x.a-b[:-1]", [1, 2]),
        ("$.rows[*].v", [1, 2]),
        ("$.x.*", [[1, 2, 3], 4]),
    ],
)
def test_a_path_names_a_part(path: str, part: Any) -> None:
    assert parse(path).of(RECORD) == part


@pytest.mark.parametrize("path", ["", "id", "$id", "$..id", "$.", "$[", "$[?(@.v>1)]", "$[1:2:1]"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ServiceError, match="must be a JSONPath"):
        parse(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("$.y", "no 'y'"), ("$.id.y", "int has no"), ("$.rows[2]", "no index 2"), ("$[0]", "indexes")],
)
def test_a_part_that_is_not_there_is_an_error(path: str, reason: str) -> None:
    with pytest.raises(NoSuchPartError, match=reason):
        parse(path).of(RECORD)


@given(row=st.lists(CELLS, min_size=1), data=st.data())
def test_columns_stay_what_they_are(row: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(row) - 1))
    end = data.draw(st.integers(start + 1, len(row)))

    def filtered(path: str, *, join: bool) -> Processing:
        return Processing(
            kind=CSV, input_filter=None, output_filter=parse(path), join=join, inference_ids=False
        )

    line = filtered("$[0:]", join=False).answer(b"", _csv(row))
    assert filtered("$[0:]", join=False).answer(b"", line) == line
    joined = filtered(f"$[{start}:{end}]", join=True).answer(line, b"0.5")
    assert joined == filtered(f"$[{start}:{end}]", join=False).answer(b"", line)
    assert filtered("$[-1]", join=True).answer(line, b"0.5") == b"0.5"


def _csv(row: list[str]) -> bytes:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in row).encode()
