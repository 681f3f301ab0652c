"""Files of a bank with columns of its own, as examples/other-bank.toml maps them."""

import csv
import gzip
import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytz  # type: ignore[import-untyped]

from operations.target import PROJECT_ROOT

MAPPING = PROJECT_ROOT / "examples" / "other-bank.toml"
HEADER = ("card", "shop", "booked", "sum", "channel", "chargeback", "charged_back_on")
_ZONE = pytz.timezone("Europe/Berlin")


def card(customer: int) -> str:
    return f"C-{customer:06}"


def shop(terminal: int) -> str:
    return f"S{terminal:05}"


def write_file(file: Path, transactions: pa.Table, reports: pa.Table) -> None:
    """The rows as that bank would have them; compressed if the name says so."""
    reported = dict(
        zip(reports["transaction_id"].to_pylist(), reports["report_time"].to_pylist(), strict=True)
    )
    text = io.StringIO()
    lines = csv.writer(text, delimiter=";")
    lines.writerow(HEADER)
    for row in transactions.to_pylist():
        report = reported.get(row["transaction_id"])
        lines.writerow(
            (
                card(row["customer_id"]),
                shop(row["terminal_id"]),
                _local(row["event_time"]),
                _sum(row["amount_minor"]),
                ("chip", "online")[row["transaction_id"] % 2],
                "no" if report is None else "yes",
                "" if report is None else _local(report),
            )
        )
    data = text.getvalue().encode()
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)


def _local(moment: datetime) -> str:
    return moment.astimezone(_ZONE).strftime("%d.%m.%Y %H:%M:%S")


def _sum(minor: int) -> str:
    text = f"{Decimal(minor) / 100:,.2f}"
    return text.translate(str.maketrans(",.", ".,")) + " €"
