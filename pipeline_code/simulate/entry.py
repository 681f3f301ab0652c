"""Entry `simulate`: writes a simulated period in the raw lake's layout.

    python -m pipeline_code simulate --start 2018-04-01 --days 60 --customers 200 --terminals 400 \\
        --seed 7 [--drift-start 2018-05-31 --drift-factor 2.0] --output DIR

Contract:
    Writes `transactions/`, `fraud_reports/` and `customers/` below DIR, beside what is there: the
    next period of the same world (same customers, terminals and seed) may go to the same folder.
    Reports arrive seven days after their transactions, so the last ones lie after the period.
    The same arguments write the same bytes.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import write
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig


def main(argv: Sequence[str]) -> int:
    """Runs the entry; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        config = SimulationConfig(
            start=arguments.start,
            days=arguments.days,
            customers=arguments.customers,
            terminals=arguments.terminals,
            seed=arguments.seed,
            drift_start=arguments.drift_start,
            drift_factor=arguments.drift_factor,
        )
    except ValueError as error:
        raise BadInput(str(error)) from error
    simulation = simulate(config)
    files = write(simulation.landing(), arguments.output)
    rows, frauds = simulation.transactions.num_rows, simulation.fraud_reports.num_rows
    print(f"{rows} transactions, {frauds} frauds, {len(files)} files in {arguments.output}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulate", description="Simulate card transactions.")
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first day")
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--terminals", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drift-start", type=date.fromisoformat, help="default: no drift")
    parser.add_argument("--drift-factor", type=float, default=2.0, help="on amounts; 1 is no drift")
    parser.add_argument("--output", type=Path, required=True, help="folder of the lake")
    return parser
