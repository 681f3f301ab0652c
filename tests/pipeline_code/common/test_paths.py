"""Every path follows the one root."""

from pathlib import Path

import pytest

from pipeline_code.common import paths


def test_the_root_is_sagemakers_unless_it_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGEMAKER_BASE_DIR", raising=False)
    assert paths.ml_root() == Path("/opt/ml")


def test_every_path_lies_below_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert paths.processing_input("customers") == tmp_path / "processing/input/customers"
    assert paths.processing_output("report") == tmp_path / "processing/output/report"
    assert paths.processing_output("report").is_dir()
    assert paths.training_channel("train") == tmp_path / "input/data/train"
    assert paths.hyperparameters_file() == tmp_path / "input/config/hyperparameters.json"
    assert paths.model_folder() == tmp_path / "model"
    assert paths.failure_file("train") == tmp_path / "output/failure"
    assert paths.failure_file("check") == tmp_path / "output/message"


def test_paths_of_templates_move_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert paths.rerooted("/opt/ml/processing/x.json") == tmp_path / "processing/x.json"
    assert paths.rerooted("/opt/mlx/y") == Path("/opt/mlx/y")
    assert paths.rerooted("here") == Path("here")
