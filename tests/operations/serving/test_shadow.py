"""A challenger in the shadow of a real endpoint, and what the captures of both say of it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.errors import OperationError
from operations.serving import shadow
from operations.serving.shadow_captures import CaptureInterval
from operations.serving.shadow_comparison import Versions, compare, compared
from operations.target import Target
from pipeline_code.common.exits import BadInput
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from pipeline_code.contracts.packages import DIGEST, NO_MODEL, spelled
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from tests.local_aws.sagemaker.serving import IMAGE, capture_config, make_role, production_variant
from tests.pipeline_code.evaluate.conftest import archive, digest_of

REVIEW, DECLINE = 0.4, 0.8
AMOUNT = FEATURE_NAMES.index("amount_minor")


def model(least_fraud: int) -> Model:
    """Has learned that transactions above an amount are frauds, most of the time."""
    generator = np.random.default_rng(5)
    rows = np.zeros((600, len(FEATURE_NAMES)))
    rows[:, AMOUNT] = generator.uniform(0, 30_000, len(rows))
    labels = ((rows[:, AMOUNT] > least_fraud) ^ (generator.random(len(rows)) < 0.1)).astype(np.int8)
    parameters = Parameters(rounds=12, max_depth=3, allow_constant_features=True)
    period = {"first_event": "2018-07-01T00:00:00Z", "last_event": "2018-07-07T00:00:00Z"}
    return fit(rows, labels, parameters=parameters, **period)


class Shadowed:
    """Two registered packages, an endpoint of them, and what the stacks would tell of it."""

    def __init__(self, target_with: Callable[..., Target], folder: Path) -> None:
        name = f"shadow-{uuid4().hex[:8]}"
        self.target = target_with(
            ModelPackageGroupName=name,
            EndpointName=name,
            CapturesBucketName=name,
            ApprovedModelParameterName=f"/fraudloop/{name}/approved",
            ChallengerParameterName=f"/fraudloop/{name}/challenger",
            DeploymentStateParameterName=f"/fraudloop/{name}/state",
        )
        self.name = name
        self.sagemaker = self.target.client("sagemaker")
        self.target.client("s3").create_bucket(Bucket=name)
        everything = f"arn:aws:s3:::{name}"
        self.role = make_role(
            self.target.client, {"Action": "s3:*", "Resource": [everything, f"{everything}/*"]}
        )
        self.digests: dict[str, str] = {}
        self.models = {"champion": model(12_000), "challenger": model(20_000)}
        self.sagemaker.create_model_package_group(ModelPackageGroupName=name)
        self.packages = {side: self._register(side, folder / side) for side in self.models}
        self.put("ApprovedModelParameterName", self.packages["champion"])
        self.put("ChallengerParameterName", NO_MODEL)
        self.put("DeploymentStateParameterName", "none")

    def deploy(self) -> None:
        """What the stack does of what the parameters say."""
        name = f"config-{uuid4().hex[:8]}"
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[self._variant("champion", "primary")],
            ShadowProductionVariants=[self._variant("challenger", "challenger")],
            DataCaptureConfig=capture_config(
                self.name,
                "",
                DestinationS3Uri=f"s3://{self.name}",
                CaptureContentTypeHeader={"JsonContentTypes": ["application/json"]},
            ),
        )
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=name)

    def ask(self, body: object, inference_id: str | None, kind: str = "application/json") -> Any:
        text = body if isinstance(body, str) else json.dumps(body)
        answer = self.target.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.name,
            ContentType=kind,
            Body=text.encode(),
            **({} if inference_id is None else {"InferenceId": inference_id}),
        )
        return json.loads(answer["Body"].read()) if kind == "application/json" else None

    def captured(self, variant: str) -> int:
        """How many exchanges of a variant lie in the bucket."""
        s3 = self.target.client("s3")
        found = s3.list_objects_v2(Bucket=self.name, Prefix=f"{self.name}/{variant}/")
        bodies = (
            s3.get_object(Bucket=self.name, Key=item["Key"])["Body"].read()
            for item in found.get("Contents", ())
        )
        return sum(body.count(b"\n") for body in bodies)

    def parameter(self, name: str) -> str:
        found = self.target.client("ssm").get_parameter(Name=self.target.output(name))
        return str(found["Parameter"]["Value"])

    def put(self, name: str, value: str) -> None:
        self.target.client("ssm").put_parameter(
            Name=self.target.output(name), Value=value, Type="String", Overwrite=True
        )

    def _container(self, side: str) -> dict[str, Any]:
        return {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{self.name}/{side}/model.tar.gz",
            "Environment": {
                "REVIEW_THRESHOLD": str(REVIEW),
                "DECLINE_THRESHOLD": str(DECLINE),
                DIGEST: self.digests[side],
            },
        }

    def _register(self, side: str, folder: Path) -> str:
        folder.mkdir()
        file = archive(self.models[side], folder)
        self.digests[side] = digest_of(file)
        self.target.client("s3").upload_file(str(file), self.name, f"{side}/model.tar.gz")
        package: str = self.sagemaker.create_model_package(
            ModelPackageGroupName=self.name,
            InferenceSpecification={
                "Containers": [self._container(side)],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        return package

    def _variant(self, side: str, name: str) -> dict[str, Any]:
        container = self._container(side)
        container["Environment"] |= {
            "MODEL_PACKAGE_ARN": self.packages[side],
            "SERVE_WORKERS": "1",
        }
        created = f"model-{uuid4().hex[:8]}"
        self.sagemaker.create_model(
            ModelName=created, ExecutionRoleArn=self.role, PrimaryContainer=container
        )
        return production_variant(created, VariantName=name, InitialVariantWeight=1)


def transaction(number: int, amount: float) -> dict[str, Any]:
    return {
        "transaction_id": number,
        "event_time": "2018-08-01T12:00:00Z",
        "customer_id": 1,
        "terminal_id": 2,
        "amount": f"{amount:.2f}",
    }


@pytest.fixture(scope="module")
def shadowed(
    target_with: Callable[..., Target], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shadowed]:
    made = Shadowed(target_with, tmp_path_factory.mktemp("models"))
    yield made
    made.sagemaker.delete_endpoint(EndpointName=made.name)


@pytest.fixture(scope="module")
def asked(shadowed: Shadowed) -> list[dict[str, Any]]:
    """What the champion answered to 40 transactions while the challenger was in its shadow."""
    challenger = shadowed.packages["challenger"]
    assert shadow.status(shadowed.target) == shadow.Shadow(wanted=NO_MODEL)
    started = shadow.start(shadowed.target, "2", wait=False)
    assert (started.wanted, started.package) == (challenger, NO_MODEL)
    described = shadowed.sagemaker.describe_model_package(ModelPackageName=challenger)
    assert shadowed.parameter("ChallengerParameterName") == spelled(described)
    shadowed.deploy()
    there = shadow.await_shadow(shadowed.target, challenger, timeout_seconds=60)
    assert (there.package, there.instances, there.percent) == (challenger, 1, 100.0)

    amounts = np.random.default_rng(2).uniform(1, 300, 40)
    requests = [transaction(number, amount) for number, amount in enumerate(amounts)]
    answers = [shadowed.ask(each, str(each["transaction_id"])) for each in requests[:35]]
    answers += shadowed.ask(requests[35:], "several")
    assert [answer["transaction_id"] for answer in answers] == list(range(40))
    # A repetition, and what is no answer of a caller's transaction.
    shadowed.ask(requests[0], "0")
    shadowed.ask(requests[0], None)
    shadowed.ask(requests[0], f"{PROBE_INFERENCE_PREFIX}1")
    shadowed.ask(",".join(["1"] * len(FEATURE_NAMES)), "row", kind="text/csv")
    deadline = time.monotonic() + 60
    while {shadowed.captured(variant) for variant in ("primary", "challenger")} != {40}:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return answers


@pytest.fixture(scope="module")
def found(shadowed: Shadowed, asked: list[dict[str, Any]]) -> dict[str, Any]:
    return compare(shadowed.target, hours=1)


def scores(shadowed: Shadowed, asked: list[dict[str, Any]], side: str) -> Any:
    """What a model makes of the features that were scored, outside of any endpoint."""
    rows = np.array([[answer["features"][name] for name in FEATURE_NAMES] for answer in asked])
    return shadowed.models[side].predict(rows).astype(np.float64)


def test_every_request_is_compared_once(found: dict[str, Any]) -> None:
    assert (found["compared"], found["same_features"]) == (40, 40)
    for side in ("champion", "challenger"):
        # The repeated request was answered twice.
        assert found[side]["answers"] == 41
        assert found[side]["left_out"] == {
            "probes": 1,
            "without an inference id": 1,
            "in another form than JSON": 1,
        }


def test_differences_are_those_of_the_two_models(
    shadowed: Shadowed, asked: list[dict[str, Any]], found: dict[str, Any]
) -> None:
    champion, challenger = (scores(shadowed, asked, side) for side in ("champion", "challenger"))
    assert [answer["score"] for answer in asked] == champion.tolist()
    difference = challenger - champion
    expected = {
        "mean_difference": difference.mean(),
        "p50": np.quantile(abs(difference), 0.5),
        "p99": np.quantile(abs(difference), 0.99),
        "max": abs(difference).max(),
        "rank_correlation": spearmanr(champion, challenger).statistic,
    }
    assert found["scores"] == pytest.approx(expected)
    assert found["scores"]["max"] > 0.1


def test_decisions_are_compared_transaction_by_transaction(
    shadowed: Shadowed, asked: list[dict[str, Any]], found: dict[str, Any]
) -> None:
    flagged = {side: scores(shadowed, asked, side) >= REVIEW for side in ("champion", "challenger")}
    assert found["flagged"]["champion"] == flagged["champion"].sum()
    assert found["flagged"]["challenger"] == flagged["challenger"].sum()
    assert found["flagged"]["both"] == (flagged["champion"] & flagged["challenger"]).sum()
    only = np.flatnonzero(flagged["champion"] & ~flagged["challenger"])
    named = found["flagged"]["only_champion"]
    assert len(named) == min(20, len(only)) > 0
    assert {int(row["transaction_id"]) for row in named} <= set(only.tolist())
    assert all(row["champion"] >= REVIEW > row["challenger"] for row in named)
    table = {
        (row["champion"], row["challenger"]): row["answers"] for row in found["decisions"]["table"]
    }
    assert sum(table.values()) == 40
    same = sum(count for (one, other), count in table.items() if one == other)
    assert found["decisions"]["agreement"] == same / 40


def test_latencies_of_both_are_told(found: dict[str, Any]) -> None:
    for side in ("champion", "challenger"):
        latency = found[side]["latency_milliseconds"]
        assert 0 < latency["p50"] <= latency["p99"]
        assert latency["mean"] > 0


def test_what_another_version_answered_is_left_out(
    shadowed: Shadowed, asked: list[dict[str, Any]]
) -> None:
    swapped = Versions(
        champion=shadowed.packages["challenger"], challenger=shadowed.packages["champion"]
    )
    now = datetime.now(UTC)
    with pytest.raises(OperationError, match="both must have answered the same requests, got none"):
        compared(shadowed.target, swapped, CaptureInterval.until(now, 1))
    right = Versions(**shadowed.packages)
    with pytest.raises(OperationError, match="got none of 0 and 0 answers"):
        compared(shadowed.target, right, CaptureInterval.until(now - timedelta(days=2), 1))


def test_a_damaged_capture_is_named(shadowed: Shadowed, asked: list[dict[str, Any]]) -> None:
    key = f"{shadowed.name}/challenger/{datetime.now(UTC):%Y/%m/%d/%H}/damaged.jsonl"
    s3 = shadowed.target.client("s3")
    s3.put_object(Bucket=shadowed.name, Key=key, Body=b"{}\n[1\n")
    try:
        with pytest.raises(BadInput, match=r"damaged\.jsonl, line 1: must have eventMetadata"):
            compare(shadowed.target, hours=1)
    finally:
        s3.delete_object(Bucket=shadowed.name, Key=key)


def test_the_verbs_show_it(
    shadowed: Shadowed,
    asked: list[dict[str, Any]],
    embedded_aws: EmbeddedAws,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Target, "outputs", shadowed.target.outputs)
    state = ["--state", str(embedded_aws.state_dir), "--json", "-"]
    told = CliRunner().invoke(app, ["shadow", "compare", "--hours", "1", *state])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["compared"] == 40
    assert "rank correlation" in told.stderr
    status = CliRunner().invoke(app, ["shadow", "status", *state])
    assert json.loads(status.stdout)["challenger"] == shadowed.packages["challenger"]


def test_a_challenger_that_was_refused_is_told_with_the_reason(shadowed: Shadowed) -> None:
    state = {"state": "Refused", "reason": "image must be of another repository"}
    shadowed.put("DeploymentStateParameterName", json.dumps(state))
    shadowed.put("ChallengerParameterName", NO_MODEL)
    with pytest.raises(OperationError, match=r"got none in its place; the last deployment is Ref"):
        shadow.await_shadow(shadowed.target, "arn:other", timeout_seconds=5)


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("1", "package must not be deployed, got version 1, which answers already"),
        ("9", "package must be a version of"),
    ],
)
def test_what_cannot_challenge_is_refused(shadowed: Shadowed, package: str, message: str) -> None:
    with pytest.raises(OperationError, match=message):
        shadow.start(shadowed.target, package)


def test_a_rejected_package_cannot_challenge(shadowed: Shadowed) -> None:
    update = {"ModelPackageArn": shadowed.packages["challenger"]}
    shadowed.sagemaker.update_model_package(**update, ModelApprovalStatus="Rejected")
    with pytest.raises(OperationError, match="package must not be rejected, got version 2"):
        shadow.start(shadowed.target, "2")
    with pytest.raises(OperationError, match="a challenger must be in the shadow, got none"):
        compare(shadowed.target, hours=1)


def test_nobody_is_challenged_before_a_model_is_deployed(
    target_with: Callable[..., Target],
) -> None:
    name = f"/fraudloop/{uuid4().hex}/approved"
    target = target_with(ApprovedModelParameterName=name, ChallengerParameterName=f"{name}/no")
    target.client("ssm").put_parameter(Name=name, Value=NO_MODEL, Type="String")
    with pytest.raises(OperationError, match="a model must be deployed to be challenged, got none"):
        shadow.start(target, "latest")


@pytest.mark.parametrize("verb", [shadow.stop, shadow.status])
def test_an_environment_without_a_shadow_says_so(
    target_with: Callable[..., Target], verb: Callable[[Target], object]
) -> None:
    with pytest.raises(OperationError, match="environment must have a shadow, got none in 'local'"):
        verb(target_with(EndpointName="any"))


def test_the_challenger_is_taken_out_by_its_parameter(shadowed: Shadowed) -> None:
    shadowed.put("ChallengerParameterName", "a|b|c|0.1|none")
    assert shadow.status(shadowed.target).wanted == "a"
    assert shadow.stop(shadowed.target, wait=False).wanted == NO_MODEL
    assert shadowed.parameter("ChallengerParameterName") == NO_MODEL
