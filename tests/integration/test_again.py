"""prod deployed, failed, deployed, destroyed and deployed again: nothing is lost, and none is made
twice. No model is trained here."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import WaiterError
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws, free_port
from operations.cli import app
from operations.data import lake
from operations.deployment import adoption, provisioning, toolchain
from operations.deployment.assembly import Stack, stacks
from operations.deployment.status import stack_states
from operations.errors import OperationError
from operations.target import PROJECT_ROOT, Target, connect
from pipeline_code.common.schema import TRANSACTIONS
from tests.operations.said import said

pytestmark = pytest.mark.end_to_end

DAY = datetime(2025, 2, 3, tzinfo=UTC)
TAG = "fraudloop:resource"
PUBLISH = ("publish-assets", "--all", "--unstable", "publish-assets")


class World:
    """An embedded AWS, and the environment `prod`."""

    def __init__(self, aws: EmbeddedAws, assembly: Path) -> None:
        self._aws = aws
        self.assembly = assembly
        self.told: list[str] = []  # by the last deployment

    @property
    def target(self) -> Target:
        """A new one: each reads outputs once."""
        state = self._aws.state_dir
        return connect("prod", profile=None, region=None, state=state, embedded=True)

    def ask(self, *words: str) -> dict[str, Any]:
        """What the command says of it."""
        place = ["--environment", "prod", "--embedded", "--state", str(self._aws.state_dir)]
        done = CliRunner().invoke(app, [*words, *place, "--json", "-"])
        assert done.exit_code == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def deploy(self, assembly: Path | None = None) -> list[str]:
        """Deploy as the command does; ARNs of what was adopted."""
        with said() as updates:
            kept = provisioning.deploy(self.target, assembly or self.assembly)
        self.told = [each.state for each in updates]
        return [each.arn for each in kept]

    def destroy(self) -> list[str]:
        """Destroy as the command does; names of what stays."""
        done = provisioning.destroy(self.target, self.assembly)
        assert done["model_packages"] == 0
        return [name.partition(" ")[2] for name in done["kept"]]

    def levels(self) -> list[list[Stack]]:
        """The stacks by how many others have to be there first."""
        found: dict[str, int] = {}
        for stack in stacks(self.assembly):
            text = json.dumps(stack.template)
            found[stack.name] = 1 + max(
                (n for s, n in found.items() if f'"{s}:' in text), default=-1
            )
        return [
            [each for each in stacks(self.assembly) if found[each.name] == level]
            for level in range(max(found.values()) + 1)
        ]

    def part(self, keys: set[str], folder: Path) -> Path:
        """The assembly without the other stacks."""
        shutil.copytree(self.assembly, folder, copy_function=os.link)
        (folder / "manifest.json").unlink()
        manifest = json.loads((self.assembly / "manifest.json").read_text())
        manifest["artifacts"] = {
            key: each
            for key, each in manifest["artifacts"].items()
            if key.removesuffix(".assets") in keys
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    def fail(self, stack: Stack) -> None:
        """Create a stack whose last resource cannot be made."""
        whole = stack.template["Resources"]
        fails = {
            "Type": "AWS::SSM::Parameter",
            "DependsOn": [name for name in whole if "Condition" not in whole[name]],
            "Properties": {"Type": "no such type", "Value": "v"},
        }
        (bucket,) = (
            each["Name"]
            for each in self.target.client("s3").list_buckets()["Buckets"]
            if each["Name"].startswith("cdk-")
        )
        template = {**stack.template, "Resources": {**whole, "Fails": fails}}
        self.target.client("s3").put_object(
            Bucket=bucket, Key=f"failing/{stack.key}.json", Body=json.dumps(template)
        )
        cloudformation = self.target.client("cloudformation")
        cloudformation.create_stack(
            StackName=stack.name,
            TemplateURL=f"https://s3.us-east-1.amazonaws.com/{bucket}/failing/{stack.key}.json",
            Capabilities=["CAPABILITY_NAMED_IAM"],
            EnableTerminationProtection=stack.is_protected,
        )
        with pytest.raises(WaiterError):
            cloudformation.get_waiter("stack_create_complete").wait(
                StackName=stack.name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 900}
            )
        assert stack_states(self.target)[stack.name] == "ROLLBACK_COMPLETE"
        pages = cloudformation.get_paginator("describe_stack_events")
        failed = {
            each["LogicalResourceId"]: each.get("ResourceStatusReason")
            for page in pages.paginate(StackName=stack.name)
            for each in page["StackEvents"]
            if each["ResourceStatus"] == "CREATE_FAILED"
        }
        assert failed.keys() == {"Fails"}, failed

    def retained(self) -> dict[str, str]:
        """Physical ID of all that outlives its stack, by stack and logical ID."""
        return {
            f"{stack.key}/{logical_id}": self.physical_id(stack, logical_id)
            for stack in stacks(self.assembly)
            for logical_id in stack.retained
        }

    def physical_id(self, stack: Stack, logical_id: str) -> str:
        found = self.target.client("cloudformation").describe_stack_resource(
            StackName=stack.name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def count(self) -> str:
        """Transactions in the lake, as Athena counts them."""
        table = f"{self.target.output('GlueDatabaseName')}.transactions"
        sql = f"SELECT count(*) FROM {table}"  # noqa: S608 - the table is our own
        return str(lake.query(self.target, sql).rows[0][0])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("again")
    toolchain.synthesize("prod", folder / "cdk.out")
    with EmbeddedAws(folder / "state", free_port()) as aws:
        # As a user would by hand, with what `fraudloop env` prints.
        by_hand = f"""
            eval "$({sys.executable} -m operations.cli env --state {aws.state_dir})"
            cdk bootstrap aws://{aws.connection()["account"]}/us-east-1 --app ""
        """
        subprocess.run(["sh", "-ec", by_hand], cwd=PROJECT_ROOT, check=True, capture_output=True)
        yield World(aws, folder / "cdk.out")


def test_a_failed_creation_of_each_stack_is_repeated(world: World, tmp_path: Path) -> None:
    toolchain.cdk([*PUBLISH, "--app", str(world.assembly)], world.target.variables)
    there: set[str] = set()
    left: list[str] = []
    for number, level in enumerate(world.levels()):
        for stack in level:
            world.fail(stack)
        there |= {stack.key for stack in level}
        left += world.deploy(world.part(there, tmp_path / str(number)))
    assert set(stack_states(world.target).values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    # What has a name went with the failed creation; the rest was adopted.
    assert sorted(arn.split(":")[2] for arn in left) == ["ecr", "kms", *["s3"] * 5]


def land(target: Target) -> None:
    """Ten transactions in the lake, and a package in the registry."""
    sink = pa.BufferOutputStream()
    rows = [
        {
            "transaction_id": number,
            "event_time": DAY,
            "customer_id": 1,
            "terminal_id": 1,
            "amount_minor": 1000,
        }
        for number in range(10)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=TRANSACTIONS), sink)
    target.client("s3").put_object(
        Bucket=target.output("RawBucketName"),
        Key=f"transactions/event_date={DAY:%Y-%m-%d}/part.parquet",
        Body=sink.getvalue().to_pybytes(),
    )
    target.client("sagemaker").create_model_package(
        ModelPackageGroupName=target.output("ModelPackageGroupName"),
        InferenceSpecification={
            "Containers": [{"Image": target.output("ImageUri"), "ModelDataUrl": "s3://a/b"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )


def check_refusals(world: World, stream: str, kept: list[str]) -> None:
    """Nothing is deployed over what is not the environment's, or not whole; all is as before."""
    kinesis, kms, s3 = (world.target.client(each) for each in ("kinesis", "kms", "s3"))
    tags = {t["Key"]: t["Value"] for t in kinesis.list_tags_for_stream(StreamName=stream)["Tags"]}
    kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=[TAG])
    with pytest.raises(OperationError, match=f"{stream} must be this environment's"):
        world.deploy()
    kinesis.add_tags_to_stream(StreamName=stream, Tags={TAG: tags[TAG]})

    (key,) = (name for name in kept if not name.startswith(("fraudloop", "arn:")))
    second = kms.create_key(Tags=kms.list_resource_tags(KeyId=key)["Tags"])["KeyMetadata"]["KeyId"]
    with pytest.raises(OperationError, match=f"must have been left once.*{second}"):
        world.deploy()
    kms.untag_resource(KeyId=second, TagKeys=[TAG])

    (log,) = (name for name in kept if "accesslogs" in name)
    tagging = s3.get_bucket_tagging(Bucket=log)["TagSet"]
    s3.delete_bucket_tagging(Bucket=log)
    with pytest.raises(OperationError, match="must be adopted with LakeAccessLogs4431AB8D of"):
        world.deploy()
    s3.put_bucket_tagging(Bucket=log, Tagging={"TagSet": tagging})
    assert set(stack_states(world.target).values()) == {"not deployed"}


def test_what_is_kept_is_adopted_and_nothing_else(world: World) -> None:
    target, before = world.target, world.retained()
    land(target)
    assert world.count() == "10"
    kept = world.destroy()
    assert len(kept) == len(before) == 12
    check_refusals(world, target.output("EventStreamName"), kept)

    assert len(world.deploy()) == 12
    assert len([line for line in world.told if line.startswith("adopts ")]) == 12
    assert world.retained() == before
    assert world.target.output("ImageUri") == target.output("ImageUri")
    assert world.count() == "10"
    sagemaker = target.client("sagemaker")
    packages = sagemaker.list_model_packages(
        ModelPackageGroupName=target.output("ModelPackageGroupName")
    )
    assert len(packages["ModelPackageSummaryList"]) == 1
    # The group names its role for ever; there has to be one of that name again.
    group = sagemaker.describe_feature_group(
        FeatureGroupName=target.output("CustomerFeatureGroupName")
    )
    target.client("iam").get_role(RoleName=group["RoleArn"].rpartition("/")[2])
    assert adoption.find_kept(world.target, world.assembly) == []
    assert [each["version"] for each in world.ask("models")["models"]] == [1]
