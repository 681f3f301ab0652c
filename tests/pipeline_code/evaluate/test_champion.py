"""The champion, found in a real registry (the embedded AWS) and fetched from S3."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from sklearn.metrics import average_precision_score

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.packages import DIGEST
from pipeline_code.evaluate.champion import Package, download, newest_approved
from pipeline_code.evaluate.entry import main
from pipeline_code.features.declarations import Feature, RequestValue
from pipeline_code.features.definitions import FEATURE_NAMES, FEATURES, SCHEMA_VERSION
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import FeatureRows
from tests.pipeline_code.evaluate.conftest import archive, digest_of, fit_rows

Register = Callable[..., str]
BUCKET = "models"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as running:
        running.session().client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def session(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """Clients of the embedded AWS, which the entry point finds through the environment too."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return aws.session()


@pytest.fixture
def group(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"fraud-{uuid.uuid4().hex[:8]}"
    session.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    monkeypatch.setenv("MODEL_PACKAGE_GROUP", name)
    return name


@pytest.fixture
def register(session: boto3.Session, group: str, tmp_path: Path) -> Register:
    """Registers a model with an approval status and returns the package's ARN."""

    def one(
        model: Model,
        status: str = "Approved",
        url: str | None = None,
        variables: dict[str, str] | None = None,
    ) -> str:
        key = f"{uuid.uuid4().hex}/model.tar.gz"
        packed = archive(model, tmp_path / uuid.uuid4().hex)
        session.client("s3").upload_file(str(packed), BUCKET, key)
        pinned = {DIGEST: digest_of(packed)}
        package = session.client("sagemaker").create_model_package(
            ModelPackageGroupName=group,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [
                    {
                        "Image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop:1",
                        "ModelDataUrl": url or f"s3://{BUCKET}/{key}",
                        "Environment": pinned if variables is None else variables,
                    }
                ],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )
        arn: str = package["ModelPackageArn"]
        return arn

    return one


@pytest.fixture(scope="module")
def weak(train_table: pa.Table) -> Model:
    """A model that learnt from the labels of other rows."""
    place = train_table.column_names.index("is_fraud")
    others = train_table["is_fraud"].to_numpy()[::-1]
    return fit_rows(train_table.set_column(place, "is_fraud", pa.array(others)), rounds=1)


def evaluation(job: Path) -> dict[str, Any]:
    assert main(["--average-precision-floor", "0", "--champion-tolerance", "0.01"]) == 0
    file = job / "processing" / "output" / "evaluation" / "evaluation.json"
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def replace_challenger(job: Path, model: Model) -> None:
    archive(model, job / "processing" / "input" / "model")


def test_an_empty_group_has_no_champion(session: boto3.Session, group: str) -> None:
    assert newest_approved(session.client("sagemaker"), group) is None


def test_the_newest_approved_package_is_the_champion(
    session: boto3.Session, group: str, register: Register, weak: Model
) -> None:
    register(weak)
    expected = register(weak)
    register(weak, status="Rejected")
    register(weak, status="PendingManualApproval")
    champion = newest_approved(session.client("sagemaker"), group)
    assert champion is not None
    assert champion.arn == expected


def test_an_older_version_that_was_approved_again_is_the_champion(
    session: boto3.Session, group: str, register: Register, weak: Model
) -> None:
    sagemaker = session.client("sagemaker")
    first, second = register(weak), register(weak)
    decision = "2999-01-01T00:00:00.000Z Approved by arn: brought back"
    sagemaker.update_model_package(
        ModelPackageArn=first, CustomerMetadataProperties={"decision_001": decision}
    )
    # Reading the second's card is no approval of it.
    sagemaker.update_model_package(ModelPackageArn=second, ApprovalDescription="read")
    champion = newest_approved(sagemaker, group)
    assert champion is not None
    assert champion.arn == first


def test_an_unknown_group_is_an_error(session: boto3.Session) -> None:
    with pytest.raises(ClientError):
        newest_approved(session.client("sagemaker"), "no-such-group")


def test_the_artifact_is_fetched_whole(
    session: boto3.Session, group: str, register: Register, trained: Model
) -> None:
    register(trained)
    package = newest_approved(session.client("sagemaker"), group)
    assert package is not None
    assert download(session.client("s3"), package).metadata == trained.metadata


def test_model_data_elsewhere_is_refused(session: boto3.Session) -> None:
    with pytest.raises(BadInput, match=r"must be an s3:// address, got https://example\.com/m"):
        download(session.client("s3"), Package("arn", "https://example.com/m", "0d" * 32))


def test_a_better_challenger_passes(
    job: Path, register: Register, weak: Model, trained: Model
) -> None:
    champion = register(weak)
    gate = evaluation(job)["gate"]
    assert gate["passed"] is True
    assert gate["champion"] == champion
    assert 0 < gate["champion_average_precision"] < gate["average_precision"]
    margin = gate["average_precision"] - gate["champion_average_precision"]
    assert gate["champion_margin"] == margin


def test_a_worse_challenger_fails(
    job: Path, register: Register, weak: Model, trained: Model
) -> None:
    register(trained)
    replace_challenger(job, weak)
    gate = evaluation(job)["gate"]
    assert gate["passed"] is False
    assert gate["champion_margin"] < -0.01
    assert "below the champion's" in gate["reason"]


def test_the_champion_itself_ties(job: Path, register: Register, trained: Model) -> None:
    register(trained)
    gate = evaluation(job)["gate"]
    assert (gate["passed"], gate["champion_margin"]) == (True, 0.0)


def test_a_champion_of_another_schema_is_not_compared(
    job: Path, register: Register, trained: Model, tmp_path: Path
) -> None:
    trained.save(tmp_path / "old")
    file = tmp_path / "old" / "metadata.json"
    file.write_text(file.read_text().replace(f'"{SCHEMA_VERSION}"', '"v0"'))
    arn = register(Model.load(tmp_path / "old"))
    gate = evaluation(job)["gate"]
    assert (gate["champion"], gate["champion_margin"]) == (arn, 1.0)
    assert "the champion was not compared" in gate["reason"]
    assert f"must be {SCHEMA_VERSION}, got v0" in gate["reason"]


# An older version than this code's, which is alive: one feature of today's is not in it.
OLD = tuple(feature for feature in FEATURES if feature.name != "is_night")


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[Feature, ...]], None]:
    """alive(features): there is a version v1 beside this code's, of these features."""

    def declare(features: tuple[Feature, ...]) -> None:
        of = {"v1": features, SCHEMA_VERSION: FEATURES}
        monkeypatch.setattr("pipeline_code.evaluate.columns.SCHEMA_VERSIONS", tuple(of))
        monkeypatch.setattr("pipeline_code.evaluate.columns.features_of", of.__getitem__)

    return declare


def of_old_version(table: pa.Table, features: tuple[Feature, ...], folder: Path) -> Model:
    """A model that has learned from the columns of v1."""
    rows, names = FeatureRows(table), [feature.name for feature in features]
    known = [FEATURE_NAMES.index(name) for name in names if name in FEATURE_NAMES]
    matrix = np.zeros((len(rows), len(names)), np.float32)
    matrix[:, : len(known)] = rows.matrix()[:, known]
    parameters = Parameters(rounds=3, allow_constant_features=True)
    model = fit(
        matrix, rows.labels(), parameters=parameters, names=names, first_event=rows.period()[0]
    )
    model.save(folder)
    file = folder / "metadata.json"
    file.write_text(file.read_text().replace(f'"{SCHEMA_VERSION}"', '"v1"'))
    return Model.load(folder)


def test_a_champion_of_another_version_is_scored_by_the_columns_that_it_takes(
    job: Path,
    register: Register,
    alive: Callable[..., None],
    train_table: pa.Table,
    test_table: pa.Table,
    tmp_path: Path,
) -> None:
    alive(OLD)
    model = of_old_version(train_table, OLD, tmp_path / "old")
    arn = register(model)
    gate = evaluation(job)["gate"]
    rows = FeatureRows(test_table)
    own = [FEATURE_NAMES.index(feature.name) for feature in OLD]
    expected = average_precision_score(rows.labels(), model.predict(rows.matrix()[:, own]))
    assert gate["champion"] == arn
    assert gate["champion_average_precision"] == pytest.approx(expected)
    assert "was not compared" not in gate["reason"]


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (
            (*OLD[:-1], replace(OLD[-1], formula=RequestValue.NIGHT)),
            f"feature {OLD[-1].name} of schema version v1 must be in {SCHEMA_VERSION} as it was, "
            "got another; its",
        ),
        (
            (*OLD, Feature("gone", "seconds", RequestValue.NIGHT)),
            f"feature gone of schema version v1 must be in {SCHEMA_VERSION} as it was, got none",
        ),
    ],
    ids=["changed", "gone"],
)
def test_a_champion_whose_features_are_not_all_there_does_not_stand_in_the_way(
    job: Path,
    register: Register,
    alive: Callable[..., None],
    train_table: pa.Table,
    tmp_path: Path,
    features: tuple[Feature, ...],
    told: str,
) -> None:
    alive(features)
    arn = register(of_old_version(train_table, features, tmp_path / "old"))
    gate = evaluation(job)["gate"]
    assert (gate["champion"], gate["champion_margin"]) == (arn, 1.0)
    assert told in gate["reason"]


def test_a_missing_artifact_stops_the_job(job: Path, register: Register, weak: Model) -> None:
    register(weak, url=f"s3://{BUCKET}/gone/model.tar.gz")
    with pytest.raises(ClientError, match=r"404|Not Found|NoSuchKey"):
        main(["--average-precision-floor", "0", "--champion-tolerance", "0.01"])


def test_a_champion_that_this_code_cannot_read_is_named(
    job: Path, session: boto3.Session, register: Register, weak: Model
) -> None:
    session.client("s3").put_object(Bucket=BUCKET, Key="junk/model.tar.gz", Body=b"no archive")
    arn = register(weak, url=f"s3://{BUCKET}/junk/model.tar.gz")
    with pytest.raises(BadInput, match=f"the champion {arn} must be a model .*; reject it"):
        main(["--average-precision-floor", "0", "--champion-tolerance", "0.01"])


def test_a_champion_whose_archive_was_overwritten_is_refused(
    job: Path,
    session: boto3.Session,
    group: str,
    register: Register,
    weak: Model,
    trained: Model,
    tmp_path: Path,
) -> None:
    arn = register(weak)
    champion = newest_approved(session.client("sagemaker"), group)
    assert champion is not None
    other = archive(trained, tmp_path / "other")
    key = champion.model_data_url.removeprefix(f"s3://{BUCKET}/")
    session.client("s3").upload_file(str(other), BUCKET, key)
    with pytest.raises(BadInput, match=f"{arn} must be .* digest {champion.digest}.*; reject it"):
        main(["--average-precision-floor", "0", "--champion-tolerance", "0.01"])


def test_a_champion_that_does_not_say_its_digest_is_refused(
    job: Path, register: Register, weak: Model
) -> None:
    arn = register(weak, variables={"REVIEW_THRESHOLD": "none"})
    with pytest.raises(BadInput, match=f"{arn} must say what its model is: MODEL_DIGEST must be"):
        main(["--average-precision-floor", "0", "--champion-tolerance", "0.01"])
