"""An account's quotas are held against what the stacks need, before anything is deployed."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws, free_port
from operations.cli import app
from operations.doctor.checks import Check, Outcome
from operations.doctor.quotas import quotas
from operations.target import PROJECT_ROOT, Target
from tests.local_aws.sagemaker.serving import Serving
from tests.operations.doctor.assemblies import write

NEW_ACCOUNT = PROJECT_ROOT / "examples" / "new-account.toml"
FOUR = 'account = "new"\n[sagemaker]\n"ml.m5.large for endpoint usage" = 4\n'
ENDPOINT = {
    "Config": {
        "Type": "AWS::SageMaker::EndpointConfig",
        "Properties": {
            "ProductionVariants": [{"InstanceType": "ml.m5.large", "InitialInstanceCount": 2}]
        },
    },
    "Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointName": "ours"}},
    "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}},
}
runner = CliRunner()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """A new account that was given four instances for endpoints."""
    folder = tmp_path_factory.mktemp("account")
    (file := folder / "quotas.toml").write_text(FOUR)
    with EmbeddedAws(folder / "state", free_port(), quotas=file) as aws:
        yield aws


@pytest.fixture
def target(account: EmbeddedAws) -> Target:
    return Target("prod", account.session(), account.environment())


def by_quota(target: Target, folder: Path) -> dict[str, Check]:
    return {each.subject: each for each in quotas(target, write(folder, ENDPOINT))}


def test_both_fleets_of_an_update_must_fit_beside_other_endpoints(
    target: Target, tmp_path: Path
) -> None:
    quota = "ml.m5.large for endpoint usage"
    enough = by_quota(target, tmp_path)[quota]
    assert (enough.outcome, enough.needed) == (Outcome.OK, "4 instances")
    serving = Serving.make(target.client)
    config = serving.config(serving.model())
    for name in ("ours", "theirs"):
        target.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    found = by_quota(target, tmp_path)[quota]
    assert (found.outcome, found.needed) == (Outcome.REFUSED, "5 instances")
    assert "and 1 that other endpoints have" in found.why
    assert "--quota-code L-614B09FD --desired-value 5`" in found.advice


def test_a_quota_that_nobody_lists_is_a_note(target: Target, tmp_path: Path) -> None:
    outcomes = {each.outcome for each in by_quota(target, tmp_path).values()}
    assert Outcome.UNKNOWN not in outcomes


def test_who_may_not_read_quotas_is_told(target: Target, tmp_path: Path) -> None:
    iam = target.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    session = boto3.Session(
        key["AccessKeyId"], key["SecretAccessKey"], region_name=target.session.region_name
    )
    url = target.client("sts").meta.endpoint_url
    reader = Target("prod", session, {})
    reader.__dict__["_clients"] = {
        name: session.client(name, endpoint_url=url) for name in ("service-quotas", "sagemaker")
    }
    for found in quotas(reader, write(tmp_path, ENDPOINT)):
        assert found.outcome is Outcome.UNKNOWN
        assert "AccessDenied" in found.advice
        assert found.advice.endswith("; give the right to read it")


def test_a_new_account_is_examined_and_nothing_is_deployed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("new")
    with EmbeddedAws(folder / "state", free_port(), quotas=NEW_ACCOUNT) as aws:
        place = ["--embedded", "--environment", "prod", "--state", str(aws.state_dir)]
        examined = runner.invoke(app, ["doctor", *place, "--json", "-"])
        assert examined.exit_code == 3, examined.output
        checks = {each["subject"]: each for each in json.loads(examined.stdout)["checks"]}
        assert checks["ml.c6i.large for endpoint usage"]["outcome"] == "refused"
        assert {each["outcome"] for each in checks.values()} == {"ok", "note", "refused"}
        assert "next:" not in examined.stderr
        deployed = runner.invoke(app, ["deploy", "--doctor", *place])
        assert deployed.exit_code == 1
        assert "ml.c6i.large for endpoint usage: needs 9 instances (2 fleets" in deployed.stderr
        assert "`fraudloop deploy --no-doctor --environment prod" in deployed.stderr
        assert not aws.session().client("cloudformation").list_stacks()["StackSummaries"]
