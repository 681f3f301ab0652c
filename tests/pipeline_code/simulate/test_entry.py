"""The entry writes the lake's layout, and a continued period joins on."""

from pathlib import Path

import pytest

from pipeline_code.__main__ import main
from pipeline_code.check import check_folders

WORLD = ["--customers", "30", "--terminals", "40", "--seed", "5"]


def run(output: Path, *arguments: str) -> int:
    return main(["simulate", *WORLD, *arguments, "--output", str(output)])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_one_run_or_two_write_the_same_bytes(tmp_path: Path) -> None:
    drift = ["--drift-start", "2018-04-09", "--drift-factor", "3"]
    assert run(tmp_path / "one", "--start", "2018-04-01", "--days", "12", *drift) == 0
    run(tmp_path / "two", "--start", "2018-04-01", "--days", "7", *drift)
    run(tmp_path / "two", "--start", "2018-04-08", "--days", "5", *drift)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_it_writes_passes_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "--start", "2018-04-01", "--days", "20")
    report = check_folders(
        transactions=tmp_path / "transactions", fraud_reports=tmp_path / "fraud_reports"
    )
    assert report.message() == "no violations"
    assert f"{report.rows['transactions']} transactions" in capsys.readouterr().out
    assert (tmp_path / "transactions" / "event_date=2018-04-20").is_dir()
    assert not (tmp_path / "transactions" / "event_date=2018-04-21").exists()


def test_a_setting_out_of_range_is_the_callers_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "lake", "--start", "2018-04-01", "--days", "0") == 1
    assert "days must be at least 1, got 0" in capsys.readouterr().err
    assert not (tmp_path / "lake").exists()


def test_a_date_must_be_a_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(tmp_path, "--start", "April", "--days", "1")
    assert "--start" in capsys.readouterr().err
