"""Files of any size: the same features as in memory, whatever the shards, files or kills."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.batch import FEATURE_ROWS, compute
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.files.spill import Spill
from pipeline_code.features.parts import Output, OutputCounts
from pipeline_code.features.sharded import ShardedFeatures
from pipeline_code.features.windows import Period
from tests.pipeline_code.features.small_streams import (
    DAY,
    HOUR,
    START,
    Row,
    moment,
    reports_of,
    reports_table,
    transactions_table,
)

IN_ORDER = [("customer_id", "ascending"), ("event_time", "ascending")]


def stream(rows: int = 3_000, seed: int = 5) -> list[Row]:
    """Sixty days of forty customers at sixty terminals, out of order."""
    random = np.random.default_rng(seed)
    return [
        Row(
            id=n,
            time=START + int(random.integers(0, 60 * DAY)),
            customer=int(random.integers(0, 40)),
            terminal=int(random.integers(0, 60)),
            amount=int(random.integers(1, 100_000)),
            report_delays=(int(random.integers(0, 20 * DAY)),) if n % 17 == 0 else (),
        )
        for n in range(rows)
    ]


def lake(folder: Path, rows: Sequence[Row], files: int = 3) -> tuple[ParquetSource, ParquetSource]:
    """The rows in several files of several row groups each."""
    for place in range(files):
        for name, table in (
            ("transactions", transactions_table(rows[place::files])),
            ("fraud_reports", reports_table(reports_of(rows[place::files]))),
        ):
            target = folder / name / f"event_date=2024-01-{place + 1:02d}"
            target.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, target / "part.parquet", row_group_size=400)
    return (
        ParquetSource.of(folder / "transactions", TRANSACTIONS),
        ParquetSource.of(folder / "fraud_reports", FRAUD_REPORTS),
    )


def job(tmp_path: Path, rows: Sequence[Row], **settings: Any) -> ShardedFeatures:
    transactions, reports = lake(tmp_path / "lake", rows)
    settings = {
        "outputs": [Output(folder=tmp_path / "features")],
        "work": tmp_path / "work",
        "workers": 2,
        "shard_rows": 500,
        **settings,
    }
    return ShardedFeatures(transactions=transactions, reports=reports, **settings)


def written(folder: Path) -> pa.Table:
    return pq.read_table(folder).sort_by(IN_ORDER)


def in_memory(rows: Sequence[Row]) -> pa.Table:
    features = compute(transactions_table(rows), reports_table(reports_of(rows)))
    return features.sort_by(IN_ORDER)


@pytest.mark.parametrize(("workers", "shard_rows"), [(1, 10**6), (2, 500), (3, 100)])
def test_shards_and_workers_change_nothing(tmp_path: Path, workers: int, shard_rows: int) -> None:
    rows = stream()
    done = job(tmp_path, rows, workers=workers, shard_rows=shard_rows).run()
    frauds = sum(bool(row.report_delays) for row in rows)
    assert done == [OutputCounts(rows=len(rows), frauds=frauds, repeated=0)]
    features = written(tmp_path / "features")
    assert features.select(FEATURE_ROWS.names).equals(in_memory(rows))
    reported = {row.id for row in rows if row.report_delays}
    labelled = features.filter(pc.equal(features["is_fraud"], 1))
    assert set(labelled["transaction_id"].to_pylist()) == reported
    assert not (tmp_path / "work").exists()


def test_the_order_of_files_and_rows_changes_no_byte(tmp_path: Path) -> None:
    rows = stream()
    job(tmp_path / "one", rows).run()
    job(tmp_path / "other", rows[::-1], workers=3).run()
    one, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name / "features").iterdir()}
        for name in ("one", "other")
    )
    assert len(one) > 1
    assert one == other


def test_periods_go_where_they_belong_and_may_overlap(tmp_path: Path) -> None:
    rows = stream()
    first = Period(moment(START), moment(START + 20 * DAY))
    second = Period(moment(START + 10 * DAY), moment(START + 30 * DAY))
    outputs = [
        Output(folder=tmp_path / name, period=period)
        for name, period in (("first", first), ("second", second))
    ]
    job(tmp_path, rows, outputs=outputs).run()
    whole = in_memory(rows)
    for output in outputs:
        assert output.period is not None
        wanted = whole.filter(pa.array(output.period.mask(whole)))
        assert written(output.folder).select(FEATURE_ROWS.names).equals(wanted)


def test_a_report_after_the_as_of_moment_is_no_label_and_no_feature(tmp_path: Path) -> None:
    rows = stream()
    as_of = START + 40 * DAY
    early = [
        row
        if row.report_delays and row.time + row.report_delays[0] <= as_of
        else replace(row, report_delays=())
        for row in rows
    ]
    job(tmp_path / "cut", rows, as_of=moment(as_of)).run()
    job(tmp_path / "known", early).run()
    assert written(tmp_path / "cut/features").equals(written(tmp_path / "known/features"))


def test_what_comes_later_never_changes_a_row(tmp_path: Path) -> None:
    """The leakage test of the batch driver."""
    rows = stream()
    cut = START + 30 * DAY
    past = [row for row in rows if row.time <= cut]
    poison = [
        replace(row, time=cut + 1 + row.time - START, amount=10**9, report_delays=(0,))
        for row in rows
        if row.time > cut
    ]
    period = Period(moment(START), moment(cut + 1))
    for name, events in (("clean", past), ("poisoned", [*past, *poison])):
        job(
            tmp_path / name,
            events,
            outputs=[Output(folder=tmp_path / name / "features", period=period)],
            as_of=moment(cut),
        ).run()
    clean, poisoned = (written(tmp_path / name / "features") for name in ("clean", "poisoned"))
    assert clean.num_rows > 1_000
    assert clean.equals(poisoned)


def test_rows_that_come_again_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = stream()
    assert job(tmp_path / "twice", [*rows, *rows[:70]]).run()[0].repeated == 70
    job(tmp_path / "once", rows).run()
    assert written(tmp_path / "twice/features").equals(written(tmp_path / "once/features"))


class Killed(BaseException):
    """What no handler catches, like a kill."""


@pytest.mark.parametrize("steps", [1, 4, 9, 14, 18, 22])
def test_a_killed_job_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    rows = stream()
    done: list[int] = []

    def killing(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if len(done) == steps:
                raise Killed
            result = function(*arguments, **named)
            done.append(1)
            return result

        return step

    with monkeypatch.context() as patch:
        # Each append leaves rows behind that no journal knows of, as a kill would.
        patch.setattr(Spill, "append", killing(Spill.append))
        patch.setattr(Output, "stage", killing(Output.stage))
        with pytest.raises(Killed):
            job(tmp_path, rows, workers=1).run()
    assert not list((tmp_path / "features").glob("*.parquet"))
    job(tmp_path, rows, workers=1).run()
    assert written(tmp_path / "features").select(FEATURE_ROWS.names).equals(in_memory(rows))


def test_another_job_in_the_same_folder_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Output, "publish", lambda _: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            job(tmp_path, stream(seed=1)).run()
    rows = stream(1_000, seed=2)
    job(tmp_path, rows).run()
    assert written(tmp_path / "features").select(FEATURE_ROWS.names).equals(in_memory(rows))


def test_no_transactions_give_one_part_without_rows(tmp_path: Path) -> None:
    assert job(tmp_path, []).run() == [OutputCounts()]
    assert written(tmp_path / "features").num_rows == 0


def replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("amount_minor", [5, -7, 5], r"row 1 .*: amount_minor must be at least 0, got -7"),
        ("amount_minor", [5, 5, None], r"row 2 .*: amount_minor must be given, got null"),
        (
            "amount_minor",
            [5.0, float("nan"), 5.0],
            r"row 1 .*: amount_minor must be int64, got nan",
        ),
        ("customer_id", [1, 2**64 - 1, 1], r"row 1 .*: customer_id must be int64, got 18446744073"),
        ("transaction_id", [1, 2, -3], r"row 2 .*: transaction_id must be at least 0, got -3"),
    ],
    ids=["negative", "null", "nan", "65 bits", "negative id"],
)
def test_a_value_that_breaks_a_rule_is_named_and_nothing_is_written(
    tmp_path: Path, name: str, values: list[Any], rule: str
) -> None:
    good = stream(300)
    prepared = job(tmp_path, good)
    rows = transactions_table([Row(n, START, 1, 1, 5) for n in (10_001, 10_002, 10_003)])
    kind = pa.uint64() if name == "customer_id" else None
    bad = tmp_path / "lake" / "transactions" / "zz-bad.parquet"
    pq.write_table(replaced(rows, name, pa.array(values, kind)), bad)
    transactions = ParquetSource.of(tmp_path / "lake" / "transactions", TRANSACTIONS)
    with pytest.raises(BadInput, match=rf"zz-bad.parquet, {rule}"):
        replace(prepared, transactions=transactions).run()
    assert not list((tmp_path / "features").rglob("*.parquet"))


def test_a_damaged_row_group_is_named(tmp_path: Path) -> None:
    prepared = job(tmp_path, stream(1_200))
    file = next((tmp_path / "lake" / "transactions").rglob("*.parquet"))
    start = pq.ParquetFile(file).metadata.row_group(0).column(0).data_page_offset
    data = bytearray(file.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    file.write_bytes(data)
    with pytest.raises(BadInput, match=r"part.parquet, row group 0, row 0 or later .* Parquet"):
        prepared.run()
    assert not list((tmp_path / "features").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"", "must be readable Parquet"), (b"PAR1nonsensePAR1", "must be readable Parquet")],
    ids=["empty", "nonsense"],
)
def test_what_is_no_parquet_file_is_named(tmp_path: Path, content: bytes, rule: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(content)
    with pytest.raises(BadInput, match=rf"broken.parquet: file {rule}"):
        ParquetSource.of(tmp_path, TRANSACTIONS)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    table = transactions_table([Row(1, START, 1, 1, 5)]).drop_columns(["amount_minor"])
    pq.write_table(table, tmp_path / "part.parquet")
    with pytest.raises(BadInput, match="column amount_minor must be present, got transaction_id"):
        ParquetSource.of(tmp_path, TRANSACTIONS)


def test_the_extent_is_known_with_and_without_statistics(tmp_path: Path) -> None:
    rows = [Row(n, START + n * HOUR, 1, 1, 5) for n in range(10)]
    for place, statistics in enumerate((True, False)):
        table = transactions_table(rows[place::2])
        pq.write_table(table, tmp_path / f"{place}.parquet", write_statistics=statistics)
    source = ParquetSource.of(tmp_path, TRANSACTIONS)
    assert source.extent("event_time") == (moment(START), moment(START) + timedelta(hours=9))


def test_times_as_firehose_writes_them_are_the_same_times(tmp_path: Path) -> None:
    rows = stream(600)
    prepared = job(tmp_path, rows)
    for file in (tmp_path / "lake").rglob("*.parquet"):
        table = pq.ParquetFile(file).read()
        pq.write_table(table, file, use_deprecated_int96_timestamps=True)
    transactions = ParquetSource.of(tmp_path / "lake" / "transactions", TRANSACTIONS)
    reports = ParquetSource.of(tmp_path / "lake" / "fraud_reports", FRAUD_REPORTS)
    first, last = min(row.time for row in rows), max(row.time for row in rows)
    assert transactions.extent("event_time") == (moment(first), moment(last))
    replace(prepared, transactions=transactions, reports=reports).run()
    assert written(tmp_path / "features").select(FEATURE_ROWS.names).equals(in_memory(rows))


def test_a_lake_in_s3_is_read_where_it_is(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = stream(1_000)
    local = job(tmp_path, rows)
    state = tmp_path_factory.mktemp("embedded") / "state"
    with EmbeddedAws(state, free_port()) as aws:
        for name, value in aws.environment().items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        s3 = aws.session().client("s3")
        s3.create_bucket(Bucket="raw")
        for file in (tmp_path / "lake").rglob("*.parquet"):
            s3.upload_file(str(file), "raw", str(file.relative_to(tmp_path / "lake")))
        remote = replace(
            local,
            transactions=ParquetSource.of("s3://raw/transactions", TRANSACTIONS),
            reports=ParquetSource.of("s3://raw/fraud_reports", FRAUD_REPORTS),
        )
        assert remote.run()[0].rows == len(rows)
    assert written(tmp_path / "features").select(FEATURE_ROWS.names).equals(in_memory(rows))
