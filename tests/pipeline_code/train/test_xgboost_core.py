"""What scores comes without what only learning needs."""

import subprocess
import sys

import pytest

HEAVY = ("sklearn", "pandas", "scipy.stats", "scipy.optimize")


def printed(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_server_loads_neither_scikit_learn_nor_pandas() -> None:
    show = f"print([name for name in {HEAVY} if name in sys.modules])"
    assert printed(f"import sys, pipeline_code.serve.app; {show}") == "[]"


@pytest.mark.parametrize("first", ["pipeline_code.train.xgboost_core", "sklearn"])
def test_scikit_learn_can_be_had_before_and_after(first: str) -> None:
    program = f"import {first}, pipeline_code.train.xgboost_core, sklearn.metrics, xgboost"
    assert printed(f"{program}; print(xgboost.compat.SKLEARN_INSTALLED)") == str(first == "sklearn")
