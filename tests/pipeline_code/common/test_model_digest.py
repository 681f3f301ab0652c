"""The digest by which a model is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import (
    METADATA_FILE,
    model_digest,
    registered_digest,
    require_digest,
)
from pipeline_code.contracts.packages import DIGEST
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters

ROWS = [[float(row % 7), float(row % 5)] for row in range(200)]
LABELS = [row % 3 == 0 for row in range(200)]


@pytest.fixture(scope="module")
def model() -> Model:
    parameters = Parameters(rounds=2, trees_per_round=1)
    return fit(ROWS, LABELS, parameters=parameters, names=("a", "b"))


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_the_same_model_has_the_same_digest_wherever_it_lies(
    model: Model, folder: Path, tmp_path: Path
) -> None:
    model.save(tmp_path / "again")
    # A volume has such a folder, and a host may leave what nobody loads.
    (tmp_path / "again" / "lost+found").mkdir()
    (tmp_path / "again" / "left").write_bytes(b"behind")
    assert model_digest(tmp_path / "again") == model_digest(folder)
    require_digest(tmp_path / "again", model_digest(folder))


def test_another_model_is_refused(model: Model, folder: Path, tmp_path: Path) -> None:
    known = model_digest(folder)
    # Whole, and consistent in itself: only the digest tells them apart.
    replace(model, metadata=replace(model.metadata, train_rows=1)).save(tmp_path / "other")
    with pytest.raises(BadInput, match=f"must have the digest {known} that was registered, got"):
        require_digest(tmp_path / "other", known)


@given(data=st.data())
def test_no_byte_that_is_loaded_can_be_changed(
    model: Model, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    known = model_digest(folder)
    path = folder / data.draw(st.sampled_from(sorted(each.name for each in folder.iterdir())))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    def load() -> None:
        require_digest(folder, known)
        Model.load(folder)

    with pytest.raises(BadInput):
        load()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: (path.unlink(), path.mkdir())])
def test_without_metadata_it_is_no_model(folder: Path, spoil: Callable[[Path], object]) -> None:
    spoil(folder / METADATA_FILE)
    with pytest.raises(BadInput, match=r"a model must hold metadata.json, got none"):
        model_digest(folder)


@pytest.mark.parametrize("value", ["", "none", "0d" * 31, "0D" * 32, "0d" * 33])
def test_a_package_that_does_not_say_its_digest_is_refused(value: str) -> None:
    assert registered_digest({DIGEST: "0d" * 32}) == "0d" * 32
    for variables in ({DIGEST: value}, {}):
        with pytest.raises(BadInput, match=r"MODEL_DIGEST must be the SHA-256 .* train again"):
            registered_digest(variables)
