"""Entry `check`: stops the pipeline at raw data that breaks a rule.

Contract:
    Reads the processing inputs `transactions` and `fraud_reports`, each the folder of a data set as
    it is in the lake (`pipeline_code.common.schema`). The registry of customers is none of them: a
    model is not made of it, and a lake that only the stream has written has none.
    Writes `report/check.json` to its output: rows and files read, and for every broken rule the
    count and some examples. No argument.
    Fails, naming the first file, row (from 0, within the file), rule and value, and how many more
    there are, if a file is unreadable, in the wrong folder or has other columns or types than the
    schema; if a value is null, an amount negative, a transaction id (or a report of one) there
    twice with other values, a time not on its folder's day; if a report comes
    before its transaction, contradicts it, or its transaction is missing; if there are no rows.
    Rows that are there again as they were are counted in the report, and are no failure.
"""

import argparse
import json
from collections.abc import Sequence

from pipeline_code.check.checking import check_folders
from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import processing_input, processing_output


def main(argv: Sequence[str]) -> int:
    """Runs the entry; returns the exit code."""
    parser = argparse.ArgumentParser(prog="check", description="check the raw data")
    if unknown := parser.parse_known_args(argv)[1]:
        raise BadInput(f"check takes no arguments, got {' '.join(unknown)}")
    report = check_folders(
        transactions=processing_input("transactions"),
        fraud_reports=processing_input("fraud_reports"),
    )
    document = json.dumps(report.document(), indent=2)
    (processing_output("report") / "check.json").write_text(document + "\n", encoding="utf-8")
    if not report.passed:
        raise BadInput(report.message())
    counted = {**report.rows, **{f"of them {name}": rows for name, rows in report.notes.items()}}
    print(", ".join(f"{rows} {name}" for name, rows in counted.items()), "checked")
    return 0
