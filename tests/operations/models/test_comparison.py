"""Comparing two versions of the registry on days of a file: the refusals, and what is scored."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.errors import OperationError
from operations.models.comparison import (
    ComparedVersion,
    LabelledPeriod,
    ModelComparison,
    compare_versions,
    window_of_file,
)
from operations.target import Target
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.packages import DIGEST
from pipeline_code.evaluate.protocol import epoch_day
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from tests.pipeline_code.evaluate.conftest import archive, digest_of
from tests.pipeline_code.evaluate.test_backtest import transactions

FIRST_DAY, TEST_DAY = date(2018, 6, 1), date(2018, 6, 22)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "transactions.parquet"
    pq.write_table(transactions(days=35, a_day=200), path)
    return path


@pytest.fixture(scope="module")
def window(file: Path) -> LabelledPeriod:
    return window_of_file(file, start=TEST_DAY, days=7)


@pytest.fixture(scope="module")
def models(file: Path) -> tuple[Model, Model]:
    """One that learned on the first week, and one that learned nothing of use there."""
    week = window_of_file(file, start=FIRST_DAY, days=7).rows
    first, last = week.period()
    shuffled = np.random.default_rng(1).permutation(week.labels())
    good, bad = (
        fit(
            week.matrix(),
            labels,
            parameters=Parameters(rounds=5, max_depth=3, allow_constant_features=True),
            first_event=first,
            last_event=last,
        )
        for labels in (week.labels(), shuffled)
    )
    return good, bad


class Registered:
    """Models as versions of a group, their archives in a bucket."""

    def __init__(self, target_with: Callable[..., Target], models: tuple[Model, Model]) -> None:
        name = f"group-{uuid4().hex[:8]}"
        parameter = f"/fraudloop/{name}/approved"
        self.outputs = {"ModelPackageGroupName": name, "ApprovedModelParameterName": parameter}
        self.target = target_with(**self.outputs)
        self.models = models


@pytest.fixture
def registered(
    target_with: Callable[..., Target], models: tuple[Model, Model], tmp_path: Path
) -> Iterator[Registered]:
    group = Registered(target_with, models)
    name, s3 = group.outputs["ModelPackageGroupName"], group.target.client("s3")
    sagemaker = group.target.client("sagemaker")
    s3.create_bucket(Bucket=name)
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    for number, model in enumerate(models):
        folder = tmp_path / str(number)
        folder.mkdir()
        packed = archive(model, folder)
        s3.upload_file(str(packed), name, f"{number}/model.tar.gz")
        container = {
            "Image": "image:1",
            "ModelDataUrl": f"s3://{name}/{number}/model.tar.gz",
            "Environment": {DIGEST: digest_of(packed)},
        }
        arn = sagemaker.create_model_package(
            ModelPackageGroupName=name,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        if number == 0:
            group.target.client("ssm").put_parameter(
                Name=group.outputs["ApprovedModelParameterName"], Value=arn, Type="String"
            )
    yield group


def compared(group: Registered, a: str, b: str, window: LabelledPeriod) -> ModelComparison:
    one, other = ComparedVersion.of(group.target, a), ComparedVersion.of(group.target, b)
    return compare_versions(one, other, window, reviews=100)


def test_the_better_version_is_told(registered: Registered, window: LabelledPeriod) -> None:
    found = compared(registered, "2", "champion", window).as_dict()
    assert (found["a"]["version"], found["b"]["version"]) == (2, 1)
    precision = found["metrics"]["average_precision"]
    assert precision["verdict"] == "B is better"
    assert precision["difference"] == pytest.approx(precision["b"] - precision["a"])
    assert (found["window"]["start"], found["window"]["end"]) == ("2018-06-22", "2018-06-29")


def test_cards_known_to_be_compromised_are_left_out(
    registered: Registered, window: LabelledPeriod
) -> None:
    found = compared(registered, "1", "2", window)
    assert found.removed > 0
    assert found.comparison.rows == len(window.rows) - found.removed
    # Whoever had a fraud in the training week is known when the test week begins.
    frauds = window.reports
    days = frauds["event_time"].cast(pa.int64()).to_numpy() // 86_400_000_000
    trained = (days >= epoch_day(FIRST_DAY)) & (days < epoch_day(FIRST_DAY) + 7)
    known = set(frauds["customer_id"].to_numpy()[trained].tolist())
    left_out = sum(1 for customer in window.rows.customers().tolist() if customer in known)
    assert 0 < left_out <= found.removed


def test_a_window_that_a_version_may_have_learned_of_is_refused(
    registered: Registered, file: Path
) -> None:
    early = window_of_file(file, start=date(2018, 6, 14), days=7)
    expected = r"must begin 7 days after .*, on 2018-06-15 or later, got 2018-06-14 of .*parquet"
    with pytest.raises(OperationError, match=expected):
        compared(registered, "1", "2", early)
    first_possible = window_of_file(file, start=date(2018, 6, 15), days=7)
    assert compared(registered, "1", "2", first_possible).comparison.rows > 0


def test_one_version_twice_is_refused(registered: Registered, window: LabelledPeriod) -> None:
    with pytest.raises(OperationError, match="must be two versions, got 1 twice"):
        compared(registered, "1", "champion", window)


def test_a_window_beyond_the_file_is_refused(file: Path) -> None:
    with pytest.raises(BadInput, match="2018-09-01 to 2018-09-08"):
        window_of_file(file, start=date(2018, 9, 1), days=7)


runner = CliRunner()


@pytest.fixture
def verb(
    registered: Registered, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """verb("1", "2", ...): the exit code and what `fraudloop compare` printed, JSON and errors."""
    monkeypatch.setattr(Target, "outputs", registered.outputs)
    state = str(embedded_aws.state_dir)

    def run(*arguments: str) -> tuple[int, str]:
        done = runner.invoke(app, ["compare", *arguments, "--state", state, "--json", "-"])
        return done.exit_code, done.stdout if done.exit_code == 0 else done.stderr

    return run


def test_the_verb_compares_on_days_of_a_file(
    verb: Callable[..., tuple[int, str]], file: Path
) -> None:
    code, output = verb("1", "2", "--data", str(file), "--test-start", "2018-06-22")
    assert code == 0, output
    assert json.loads(output)["metrics"]["average_precision"]["verdict"] == "A is better"


@pytest.mark.parametrize(
    "options",
    [
        ["--test-start", "2018-06-22"],
        ["--data", __file__],
        ["--data", __file__, "--test-start", "2018-06-22", "--execution", "arn"],
    ],
)
def test_the_verb_takes_one_window(
    verb: Callable[..., tuple[int, str]], options: list[str]
) -> None:
    code, output = verb("1", "2", *options)
    assert code == 1
    assert "a window must be --execution, or --data with --test-start, or neither" in output


def test_the_verb_asks_for_a_window_where_no_execution_has_one(
    verb: Callable[..., tuple[int, str]],
) -> None:
    code, output = verb("1", "2")
    assert code == 1
    assert "version 2 must come from a pipeline execution to have a test window" in output
