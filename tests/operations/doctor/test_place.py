"""Whose account it is, in which Region, and what the CDK has there."""

import uuid
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from local_aws.server import EmbeddedAws
from operations.doctor.checks import Check, Outcome
from operations.doctor.place import bootstrapped, check_region, identity, services
from operations.errors import OperationError
from operations.target import Target
from tests.operations.doctor.assemblies import write

Make = Callable[..., Target]


@pytest.mark.parametrize("region", ["eu-nowhere-1", "cn-north-1", "us-gov-west-1"])
def test_a_region_without_sagemaker_is_refused_with_those_there_are(region: str) -> None:
    target = Target("prod", boto3.Session(region_name=region), {})
    with pytest.raises(OperationError, match=f"got {region}: .*eu-west-1.*us-east-1"):
        check_region(target)


def test_whose_credentials_they_are(target_with: Make, embedded_aws: EmbeddedAws) -> None:
    check_region(target_with())
    found = identity(target_with())
    assert found.outcome is Outcome.OK
    assert embedded_aws.connection()["account"] in found.found


def test_every_service_of_the_stacks_is_looked_up(target_with: Make, tmp_path: Path) -> None:
    kinds = ["AWS::KinesisFirehose::DeliveryStream", "AWS::IAM::Role", "Custom::Thing"]
    assembly = write(tmp_path, {f"R{i}": {"Type": kind} for i, kind in enumerate(kinds)})
    (found,) = services(target_with(), assembly)
    assert found.outcome is Outcome.OK
    assert found.needed == "6 of them"


def test_a_service_that_a_region_lacks_is_named(tmp_path: Path) -> None:
    session = boto3.Session()
    lacking = set(session.get_available_regions("s3")) - set(
        session.get_available_regions("codebuild")
    )
    target = Target("prod", boto3.Session(region_name=min(lacking)), {})
    assembly = write(tmp_path, {"Build": {"Type": "AWS::CodeBuild::Project"}})
    (found,) = services(target, assembly)
    assert found.outcome is Outcome.UNKNOWN
    assert "codebuild" in found.found


class Bootstrapped:
    """Bootstraps of an account, below a path of the test's own."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self._folder = folder
        self._root = f"/cdk-{uuid.uuid4().hex[:8]}"

    def make(self, qualifier: str, version: int) -> None:
        name = f"{self._root}/{qualifier}/version"
        self.target.client("ssm").put_parameter(Name=name, Value=str(version), Type="String")

    def check(self, *, by_deployment: bool = True) -> Check:
        parameter = f"{self._root}/ours/version"
        assembly = write(self._folder, {}, bootstrap=parameter, version=6)
        (found,) = bootstrapped(self.target, assembly, by_deployment=by_deployment)
        return found


@pytest.fixture
def bootstraps(target_with: Make, tmp_path: Path) -> Bootstrapped:
    return Bootstrapped(target_with(), tmp_path)


def test_a_bootstrap_that_is_new_enough_will_do(bootstraps: Bootstrapped) -> None:
    bootstraps.make("ours", 28)
    bootstraps.make("theirs", 28)
    assert bootstraps.check().outcome is Outcome.OK


def test_without_a_bootstrap_the_deployment_makes_it_if_it_may(bootstraps: Bootstrapped) -> None:
    assert bootstraps.check().outcome is Outcome.NOTE
    refused = bootstraps.check(by_deployment=False)
    assert refused.outcome is Outcome.REFUSED
    assert "--no-bootstrap" in refused.advice


def test_an_old_bootstrap_has_to_be_made_again(bootstraps: Bootstrapped) -> None:
    bootstraps.make("ours", 5)
    assert bootstraps.check().outcome is Outcome.NOTE
    found = bootstraps.check(by_deployment=False)
    assert (found.outcome, found.found) == (Outcome.REFUSED, "there is version 5")


def test_an_account_with_another_qualifier_is_told_both_ways_out(bootstraps: Bootstrapped) -> None:
    bootstraps.make("theirs", 28)
    found = bootstraps.check()
    assert (found.outcome, found.found) == (Outcome.REFUSED, "there is theirs")
    assert '"@aws-cdk/core:bootstrapQualifier"' in found.advice
    assert "cdk bootstrap --qualifier ours" in found.advice
