"""An image runs the code that its build was given, whatever the working tree has by now."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

from tests.local_aws.events.test_delivery import role
from tests.local_aws.images import make_repositories

Client = Callable[[str], Any]
REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop"


def build(client: Client, tag: str, answer: str) -> None:
    """Have CodeBuild build an image whose one handler gives an answer."""
    make_repositories(client)
    name, archive = f"build-{tag}", io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        for package in ("", "lambdas/"):
            code.writestr(f"{package}__init__.py", "")
        code.writestr("lambdas/told.py", f"def handler(event, context):\n    return {answer!r}\n")
    client("s3").create_bucket(Bucket=name)
    client("s3").put_object(Bucket=name, Key="source.zip", Body=archive.getvalue())
    client("codebuild").create_project(
        name=name,
        source={"type": "S3", "location": f"{name}/source.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "standard",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [
                {"name": "IMAGE_TAG", "value": tag},
                {"name": "REPOSITORY_URI", "value": REPOSITORY},
            ],
        },
        serviceRole=role(client("iam"), "codebuild.amazonaws.com", "s3:Get*", "logs:*", "ecr:*"),
    )
    started = client("codebuild").start_build(projectName=name)["build"]
    assert started["buildStatus"] == "SUCCEEDED", started


def code(client: Client, name: str) -> Any:
    answer = client("lambda").invoke(FunctionName=name, Payload=b"{}")
    return json.load(answer["Payload"])


def test_an_update_of_the_image_is_an_update_of_the_code(client: Client) -> None:
    one, two, name = (uuid.uuid4().hex for _ in range(3))
    build(client, one, "the old release")
    build(client, two, "the new release")
    functions = client("lambda")
    functions.create_function(
        FunctionName=name,
        PackageType="Image",
        Code={"ImageUri": f"{REPOSITORY}:{one}"},
        ImageConfig={
            "EntryPoint": ["python", "-m", "awslambdaric"],
            "Command": ["pipeline_code.lambdas.told.handler"],
        },
        Role=role(client("iam"), "lambda.amazonaws.com", "logs:*"),
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
    assert code(client, name) == "the old release"
    functions.update_function_code(FunctionName=name, ImageUri=f"{REPOSITORY}:{two}")
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
    assert code(client, name) == "the new release"
