"""The Spark driver writes the batch driver's files, byte for byte, and refuses what it refuses."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import write
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.definitions import CUSTOMER, TERMINAL
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output, OutputCounts
from pipeline_code.features.sharded import ShardedFeatures
from pipeline_code.features.spark.session import ALL_CORES, missing, open_session, prepare
from pipeline_code.features.windows import Period
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from tests.pipeline_code.features.small_streams import DAY, START, Row, moment, small_streams
from tests.pipeline_code.features.test_sharded import lake, stream

LACKING = missing()
if LACKING is not None:
    pytest.skip(LACKING, allow_module_level=True)

from pipeline_code.features.spark.blocks import TaskFailed  # noqa: E402
from pipeline_code.features.spark.driver import SparkFeatures  # noqa: E402 - it needs PySpark

# PySpark says it of its pandas interface, which nothing here uses.
pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
]
SHARD_ROWS = 500
FEATURES = [Output(folder=Path("features"))]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    before = dict(os.environ)
    prepare(tmp_path_factory.mktemp("spark"), "127.0.0.1")
    session = open_session(ALL_CORES, "127.0.0.1")
    yield session
    session.stop()
    os.environ.clear()
    os.environ |= before


def both(
    session: Any,
    tmp_path: Path,
    sources: tuple[ParquetSource, ParquetSource],
    outputs: Sequence[Output] = FEATURES,
    **changes: Any,
) -> list[OutputCounts]:
    """Runs both drivers and holds what they wrote, and said of it, equal."""
    transactions, reports = sources
    answers, files = [], []
    for name in ("batch", "spark"):
        folders = [replace(output, folder=tmp_path / name / output.folder) for output in outputs]
        given: dict[str, Any] = {
            "transactions": transactions,
            "reports": reports,
            "outputs": folders,
            "shard_rows": SHARD_ROWS,
            **changes,
        }
        if name == "batch":
            answers.append(ShardedFeatures(work=tmp_path / "work", **given).run())
        else:
            answers.append(SparkFeatures(session=session, **given).run())
        files.append(
            {
                str(file.relative_to(tmp_path / name)): file.read_bytes()
                for output in folders
                for file in output.folder.rglob("*")
            }
        )
    assert answers[0] == answers[1]
    assert files[0] == files[1]
    assert files[0]
    return answers[0]


def test_the_files_are_the_batch_drivers(session: Any, tmp_path: Path) -> None:
    rows = stream()
    [written] = both(session, tmp_path, lake(tmp_path / "lake", rows))
    assert written.rows == len(rows)
    assert len(list((tmp_path / "spark" / "features").iterdir())) == len(rows) // SHARD_ROWS


def test_periods_an_as_of_moment_and_repetitions(session: Any, tmp_path: Path) -> None:
    rows = stream()
    outputs = [
        Output(
            folder=Path(name),
            period=Period(moment(START + first * DAY), moment(START + end * DAY)),
            metadata={b"history_days": str(first)},
        )
        for name, first, end in (("train", 10, 30), ("test", 25, 40), ("never", 90, 91))
    ]
    train, test, never = both(
        session,
        tmp_path,
        lake(tmp_path / "lake", [*rows, *rows[:70]]),
        outputs,
        as_of=moment(START + 40 * DAY),
    )
    assert (train.repeated, never.rows) == (70, 0)
    assert 0 < test.frauds < test.rows
    footer = pq.read_metadata(tmp_path / "spark" / "train" / "part-00000.parquet").metadata
    assert footer[b"history_days"] == b"10"


def test_a_simulated_stream(session: Any, tmp_path: Path) -> None:
    config = SimulationConfig(start=date(2018, 4, 1), days=60, customers=180, terminals=300, seed=7)
    write(simulate(config).landing(), tmp_path / "lake")
    sources = (
        ParquetSource.of(tmp_path / "lake" / "transactions", TRANSACTIONS),
        ParquetSource.of(tmp_path / "lake" / "fraud_reports", FRAUD_REPORTS),
    )
    [written] = both(session, tmp_path, sources, shard_rows=3_000)
    assert written.rows > 20_000
    assert written.frauds > 50


@settings(deadline=None, max_examples=6, suppress_health_check=list(HealthCheck))
@given(rows=small_streams())
def test_small_streams(session: Any, tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    """Empty shards, and entities that have reports only, among them."""
    rows = [replace(row, id=place) for place, row in enumerate(rows)]
    folder = tmp_path_factory.mktemp("small")
    both(session, folder, lake(folder / "lake", rows), shard_rows=3)


def test_no_transactions_give_one_part_without_rows(session: Any, tmp_path: Path) -> None:
    assert both(session, tmp_path, lake(tmp_path / "lake", [])) == [OutputCounts()]


def test_what_comes_later_never_changes_a_feature(session: Any, tmp_path: Path) -> None:
    """The leakage test: at t, nothing that becomes known after t exists."""
    rows = stream()
    cut = sorted(row.time for row in rows)[len(rows) // 2]
    past = [row for row in rows if row.time <= cut]
    poison = [
        replace(row, time=cut + 1 + row.time - START, amount=10**9, report_delays=(0,))
        for row in rows
        if row.time > cut
    ]
    tables = []
    for name, events in (("clean", past), ("poisoned", [*past, *poison])):
        transactions, reports = lake(tmp_path / name, events)
        output = Output(
            folder=tmp_path / name / "features", period=Period(moment(START), moment(cut + 1))
        )
        SparkFeatures(
            session=session,
            transactions=transactions,
            reports=reports,
            outputs=[output],
            as_of=moment(cut),
            shard_rows=SHARD_ROWS,
        ).run()
        in_order = [("transaction_id", "ascending")]
        tables.append(pq.read_table(output.folder).sort_by(in_order))
    clean, poisoned = tables
    assert clean.num_rows > 1_000
    assert clean.equals(poisoned)


def test_states_are_kept_of_all_events_shard_by_shard(session: Any, tmp_path: Path) -> None:
    rows = stream()
    transactions, reports = lake(tmp_path / "lake", rows)
    staged = SparkFeatures(
        session=session,
        transactions=transactions,
        reports=reports,
        outputs=[Output(folder=tmp_path / "features")],
        as_of=moment(START),  # states know what features do not yet
        keep_states=lambda entity, given, reported: (
            np.unique(given.owners(entity)).tolist(),
            len(given),
            len(reported),
        ),
        shard_rows=SHARD_ROWS,
    ).stage()
    for entity, owners in (
        (CUSTOMER, {row.customer for row in rows}),
        (TERMINAL, {row.terminal for row in rows}),
    ):
        told = [answer for (name, _), answer in staged.kept.items() if name == entity.name]
        assert len(told) == len(rows) // SHARD_ROWS
        assert sorted(owner for entities, _, _ in told for owner in entities) == sorted(owners)
        assert sum(count for _, count, _ in told) == len(rows)
        assert sum(count for _, _, count in told) == reports.rows


def refused(session: Any, tmp_path: Path, lake: Path) -> tuple[str, str]:
    """How both drivers refuse a lake; neither writes anything."""
    messages = []
    for name in ("batch", "spark"):
        output = Output(folder=tmp_path / name)
        given: dict[str, Any] = {
            "transactions": ParquetSource.of(lake / "transactions", TRANSACTIONS),
            "reports": ParquetSource.of(lake / "fraud_reports", FRAUD_REPORTS),
            "outputs": [output],
            "shard_rows": SHARD_ROWS,
        }
        with pytest.raises(BadInput) as caught:
            if name == "batch":
                ShardedFeatures(work=tmp_path / "work", **given).run()
            else:
                SparkFeatures(session=session, **given).run()
        messages.append(str(caught.value))
        assert not list(output.folder.glob("*.parquet"))
    assert not (tmp_path / "spark" / "_unfinished").exists()
    return messages[0], messages[1]


def test_one_id_for_two_transactions_is_refused(session: Any, tmp_path: Path) -> None:
    rows = stream(1_000)
    lake(tmp_path / "lake", [*rows, replace(rows[5], amount=1)])
    batch, spark = refused(session, tmp_path, tmp_path / "lake")
    assert "got one twice for a customer" in spark
    assert spark == batch


def test_a_value_that_breaks_a_rule_is_named(session: Any, tmp_path: Path) -> None:
    lake(tmp_path / "lake", [*stream(1_000), Row(10**6, START, 1, 1, -5)])
    batch, spark = refused(session, tmp_path, tmp_path / "lake")
    assert "amount_minor must be at least 0, got -5" in spark
    assert spark == batch


def test_a_damaged_row_group_is_named(session: Any, tmp_path: Path) -> None:
    lake(tmp_path / "lake", stream(1_200))
    file = next((tmp_path / "lake" / "transactions").rglob("*.parquet"))
    start = pq.ParquetFile(file).metadata.row_group(0).column(0).data_page_offset
    data = bytearray(file.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    file.write_bytes(data)
    batch, spark = refused(session, tmp_path, tmp_path / "lake")
    assert f"{file}, row group 0, row 0 or later" in spark
    assert spark == batch


def test_any_other_error_of_a_task_is_told_as_what_it_is(session: Any, tmp_path: Path) -> None:
    def broken(*_: Any) -> None:
        raise OSError('no space left on "disk"')

    transactions, reports = lake(tmp_path / "lake", stream(300))
    job = SparkFeatures(
        session=session,
        transactions=transactions,
        reports=reports,
        outputs=[Output(folder=tmp_path / "features")],
        keep_states=broken,
    )
    with pytest.raises(TaskFailed, match=r'^OSError: no space left on "disk"$'):
        job.run()
    assert not list((tmp_path / "features").rglob("*"))
