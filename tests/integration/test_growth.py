"""Nobody can grow: attacks with the credentials of the live environment's own roles.

What each would reach: a role of one's own, the CDK's, a stranger's container, an approval.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.permissions.acting import Roles
from operations.deployment import toolchain
from operations.models import registry
from operations.target import Target

pytestmark = pytest.mark.end_to_end

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ANYTHING = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        ]
    }
)
DENIED = {"AccessDenied", "AccessDeniedException"}
# Who may write what the stack reads; whoever does has approved.
WRITES_APPROVED = {"DeploymentDeployerHandlerRole", "ApprovedModelSeederRole"}
ATTACKERS = {
    "serving": ("DeploymentDeployerHandlerRole", "DeploymentStackRole"),
    "monitoring": ("RefreshRefresherHandlerRole", "RefreshStackRole"),
}


class Environment(Roles):
    """The live environment, and clients for its roles."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.roles = self.names
        self.cloudformation, self.iam = target.client("cloudformation"), target.client("iam")

    def _everybody(self) -> dict[str, Any]:
        principal = {"AWS": f"arn:aws:iam::{self.account}:root"}
        return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}

    def at_rest(self, stage: str) -> str:
        """The stack's status once nothing is being done to it."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = self.cloudformation.describe_stacks(StackName=self.target.stack_name(stage))
            status = str(found["Stacks"][0]["StackStatus"])
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.1)
        raise AssertionError(f"{stage} does not come to rest")

    def reasons(self, stage: str, token: str) -> str:
        events = self.cloudformation.describe_stack_events(StackName=self.target.stack_name(stage))
        return " ".join(
            event.get("ResourceStatusReason", "")
            for event in events["StackEvents"]
            if event.get("ClientRequestToken") == token
        )

    @contextmanager
    def protected(self, stage: str) -> Iterator[None]:
        """Whatever stack policy an attack leaves behind, the one from before is put back."""
        name = self.target.stack_name(stage)
        policy = self.cloudformation.get_stack_policy(StackName=name).get("StackPolicyBody")
        try:
            yield
        finally:
            self.at_rest(stage)
            self.cloudformation.set_stack_policy(StackName=name, StackPolicyBody=policy or ANYTHING)


@pytest.fixture(scope="module")
def environment(played: Any) -> Environment:
    return Environment(played.target)


def refused(call: Callable[[], Any]) -> str:
    """What a call that is refused is told."""
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] in DENIED, error.value
    return str(error.value)


def role_of_ones_own(environment: Environment) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Statement": [environment._everybody()]},
            "ManagedPolicyArns": [ADMINISTRATOR],
        },
    }


def more_for_oneself(role: str) -> dict[str, Any]:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "more",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [everything]},
            "Roles": [role],
        },
    }


def function_of_ones_own(role: str) -> dict[str, Any]:
    code = {"ZipFile": "def handler(event, context): pass"}
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.13", "Handler": "index.handler", "Role": role, "Code": code,
        },
    }  # fmt: skip


@pytest.mark.parametrize("stage", list(ATTACKERS))
@pytest.mark.parametrize("attack", ["a role", "a policy", "a function", "a bucket"])
def test_a_template_of_ones_own_makes_nothing_that_grows(
    environment: Environment, stage: str, attack: str
) -> None:
    attacker, stack_role = ATTACKERS[stage]
    cloudformation = environment.act_as(stage, attacker)("cloudformation")
    resource = {
        "a role": role_of_ones_own(environment),
        "a policy": more_for_oneself(environment.roles[stage, attacker]),
        "a function": function_of_ones_own(environment.arn(stage, attacker)),
        "a bucket": {"Type": "AWS::S3::Bucket"},
    }[attack]
    token = f"attack-{attack.replace(' ', '-')}-{time.time_ns()}"
    request = {
        "StackName": environment.target.stack_name(stage),
        "TemplateBody": json.dumps({"Resources": {"Grown": resource}}),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        "RoleARN": environment.arn(stage, stack_role),
        "ClientRequestToken": token,
    }
    environment.at_rest(stage)
    with environment.protected(stage):
        if stage == "serving":  # the deployer keeps the stack's policy, and could loosen it
            request["StackPolicyBody"] = ANYTHING
        cloudformation.update_stack(**request)
        assert environment.at_rest(stage) == "UPDATE_ROLLBACK_COMPLETE"
    name = environment.roles[stage, stack_role]
    said = environment.reasons(stage, token)
    assert f"assumed-role/{name}/AWSCloudFormation is not authorized to perform: " in said


@pytest.mark.parametrize("stage", list(ATTACKERS))
def test_an_update_names_its_role_and_no_other(environment: Environment, stage: str) -> None:
    attacker, stack_role = ATTACKERS[stage]
    cloudformation = environment.act_as(stage, attacker)("cloudformation")
    other = next(name for name in ATTACKERS if name != stage)
    region = environment.target.session.region_name
    account = environment.account
    foreign = {
        "none": "",
        "the CDK's": f"arn:aws:iam::{account}:role/cdk-hnb659fds-cfn-exec-role-{account}-{region}",
        "its own": environment.arn(stage, attacker),
        "the other stack's": environment.arn(other, ATTACKERS[other][1]),
    }
    update = partial(
        cloudformation.update_stack,
        StackName=environment.target.stack_name(stage),
        UsePreviousTemplate=True,
    )
    for role in foreign.values():
        told = refused(partial(update, **({"RoleARN": role} if role else {})))
        assert "cloudformation:UpdateStack" in told
    of_other = environment.target.stack_name(other)
    told = refused(partial(update, StackName=of_other, RoleARN=environment.arn(stage, stack_role)))
    assert "cloudformation:UpdateStack" in told
    new = {"StackName": environment.target.stack_name(stage), "TemplateBody": "{}"}
    refused(partial(cloudformation.create_change_set, ChangeSetName="c", **new))
    refused(partial(cloudformation.create_stack, **new))


def test_a_template_by_url_is_refused(environment: Environment) -> None:
    """As it was shown: the deployer may write below monitoring/baseline/."""
    client = environment.act_as("serving", "DeploymentDeployerHandlerRole")
    bucket, key = environment.target.output("ArtifactsBucketName"), "monitoring/baseline/grown.json"
    body = json.dumps({"Resources": {"Grown": role_of_ones_own(environment)}})
    client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    told = refused(
        partial(
            client("cloudformation").update_stack,
            StackName=environment.target.stack_name("serving"),
            TemplateURL=f"https://{bucket}.s3.amazonaws.com/{key}",
            Capabilities=["CAPABILITY_IAM"],
            RoleARN=environment.arn("serving", "DeploymentStackRole"),
        )
    )
    assert "cloudformation:UpdateStack" in told
    environment.target.client("s3").delete_object(Bucket=bucket, Key=key)


def test_another_parameter_is_not_read(environment: Environment) -> None:
    """Not even one that the deployer itself may write: its stack's role reads two, by name."""
    cloudformation = environment.act_as("serving", "DeploymentDeployerHandlerRole")(
        "cloudformation"
    )
    stack = environment.target.stack_name("serving")
    (described,) = environment.cloudformation.describe_stacks(StackName=stack)["Stacks"]
    keys = {each["ParameterKey"] for each in described["Parameters"]} - {"ApprovedModelPackage"}
    state = environment.target.output("DeploymentStateParameterName")
    with pytest.raises(ClientError, match="doesn't have permission to call ssm:GetParameters"):
        cloudformation.update_stack(
            StackName=stack,
            UsePreviousTemplate=True,
            Parameters=[
                {"ParameterKey": "ApprovedModelPackage", "ParameterValue": state},
                *({"ParameterKey": key, "UsePreviousValue": True} for key in sorted(keys)),
            ],
            Capabilities=["CAPABILITY_IAM"],
            RoleARN=environment.arn("serving", "DeploymentStackRole"),
        )


def is_of(name: str, body: dict[str, Any], kept: tuple[str, ...]) -> bool:
    """Whether a resource of the serving stack is the endpoint's, its model's, role's or log's."""
    kinds = ("AWS::SageMaker::", "AWS::IAM::", "AWS::Logs::")
    return name.startswith(kept) and body["Type"].startswith(kinds)


def test_a_strangers_image_is_not_pulled(environment: Environment, played: Any) -> None:
    """The endpoint's role may pull from one repository, whatever model it is passed with."""
    target, stack = environment.target, environment.target.stack_name("serving")
    ecr, repository = target.client("ecr"), f"fraudloop-strangers-{time.time_ns()}"
    uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    before = registry.deployed_package(target)
    text = environment.cloudformation.get_template(StackName=stack)["TemplateBody"]
    template = text if isinstance(text, dict) else json.loads(text)
    # A request holds 51,200 bytes of a template: the rest would go once this is in place.
    kept = ("fraudlooplocalfraudmodel", "fraudlooplocalfraudendpointconfig", "Endpoint")
    resources = {
        name: body for name, body in template["Resources"].items() if is_of(name, body, kept)
    }
    for body in resources.values():
        body["DependsOn"] = [each for each in body.get("DependsOn", ()) if each in resources]
    model, config, endpoint = (
        next(body["Properties"] for name, body in resources.items() if name.startswith(prefix))
        for prefix in (*kept[:2], "Endpoint8")
    )
    model["PrimaryContainer"] = {"Image": f"{uri}:latest"}
    del config["ShadowProductionVariants"], endpoint["DeploymentConfig"]
    token = f"attack-image-{time.time_ns()}"
    (described,) = environment.cloudformation.describe_stacks(StackName=stack)["Stacks"]
    cloudformation = environment.act_as("serving", "DeploymentDeployerHandlerRole")(
        "cloudformation"
    )
    environment.at_rest("serving")
    cloudformation.update_stack(
        StackName=stack,
        TemplateBody=json.dumps(
            {key: template[key] for key in ("Parameters", "Conditions")} | {"Resources": resources}
        ),
        Parameters=[
            {"ParameterKey": each["ParameterKey"], "UsePreviousValue": True}
            for each in described["Parameters"]
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        RoleARN=environment.arn("serving", "DeploymentStackRole"),
        ClientRequestToken=token,
    )
    assert environment.at_rest("serving") == "UPDATE_ROLLBACK_COMPLETE"
    said = environment.reasons("serving", token)
    assert f"does not have BatchGetImage permission for the image: '{uri}:latest'" in said
    assert registry.deployed_package(target) == before
    ecr.delete_repository(repositoryName=repository, force=True)


def test_no_role_approves(environment: Environment) -> None:
    """Neither a package nor, but for those that keep it, the parameter that names one."""
    target = environment.target
    package = registry.deployed_package(target)
    parameter = target.output("ApprovedModelParameterName")
    value = target.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    wrote = set()
    for stage, role in environment.roles:
        client = environment.act_as(stage, role)
        for request in ({"ModelApprovalStatus": "Approved"}, {"ApprovalDescription": "mine"}):
            update = partial(client("sagemaker").update_model_package, ModelPackageArn=package)
            told = refused(partial(update, **request))
            assert "sagemaker:UpdateModelPackage" in told
        try:
            client("ssm").put_parameter(Name=parameter, Value=value, Type="String", Overwrite=True)
            wrote.add(role)
        except ClientError as error:
            assert error.response["Error"]["Code"] in DENIED
    assert wrote == WRITES_APPROVED


def test_the_pipeline_registers_nothing_that_is_approved(environment: Environment) -> None:
    sagemaker = environment.act_as("training", "PipelineRolesPipeline")("sagemaker")
    package = registry.deployed_package(environment.target)
    described = environment.target.client("sagemaker").describe_model_package(
        ModelPackageName=package
    )
    group = described["ModelPackageGroupName"]
    register = partial(
        sagemaker.create_model_package,
        ModelPackageGroupName=group,
        InferenceSpecification=described["InferenceSpecification"],
    )
    for status in ({"ModelApprovalStatus": "Approved"}, {}):
        told = refused(partial(register, **status))
        assert "sagemaker:CreateModelPackage" in told


def test_the_cdk_and_approvals_take_turns(
    environment: Environment, played: Any, tmp_path: Path
) -> None:
    """Each brings its own role; test_rollout.py has the next approval, and that is rolled back."""
    target, stack = environment.target, environment.target.stack_name("serving")

    def role() -> str:
        (described,) = environment.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return str(described["RoleARN"])

    assert role() == environment.arn("serving", "DeploymentStackRole")
    assembly = tmp_path / "assembly"
    shutil.copytree(played.state / "cdk.out", assembly)
    file = assembly / "Serving.template.json"
    template = json.loads(file.read_text())
    (function,) = (
        body["Properties"]
        for name, body in template["Resources"].items()
        if body["Type"] == "AWS::Lambda::Function" and name.startswith("DeploymentDeployer")
    )
    function["Description"] = "Changed, which takes more than the stack's own role may do"
    file.write_text(json.dumps(template))
    # As another asset: the CLI does not publish one again that is there.
    assets = json.loads((assembly / "Serving.assets.json").read_text())["files"]
    (known,) = (key for key, each in assets.items() if each["source"]["path"] == file.name)
    for name in ("Serving.assets.json", "manifest.json"):
        text = (assembly / name).read_text()
        (assembly / name).write_text(text.replace(known, known[::-1]))
    arguments = ["deploy", "Serving", "--exclusively", "--app", str(assembly)]
    arguments += ["--require-approval", "never", "--method", "direct"]
    before = registry.deployed_package(target)
    toolchain.cdk(arguments, target.variables)
    assert environment.at_rest("serving") == "UPDATE_COMPLETE"
    assert "-cfn-exec-role-" in role()
    assert registry.deployed_package(target) == before
