"""An image that was built runs the code that it was built of, jobs and functions alike."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.containers import image_code
from local_aws.settings import PROJECT_ROOT
from tests.local_aws.events.test_delivery import role
from tests.local_aws.sagemaker.conftest import CLUSTER, ENDED, unique

REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop-local"
MAIN = """
import os, pathlib
root = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
(root / "output" / "message").write_text("as it was")
raise SystemExit(1)
"""
CODE = {"__init__.py": "", "__main__.py": MAIN, "work.py": "def handler(*_): return 'as it was'"}
PUSHING = (
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload"),
    *("ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage"),
    *("ecr:UploadLayerPart", "ecr:GetAuthorizationToken", "s3:GetObject*", "logs:*"),
)

Client = Callable[[str], Any]


def archive(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as source:
        for name, text in files.items():
            source.writestr(name, text)
    return packed.getvalue()


@pytest.fixture
def image(client: Client, bucket: str) -> str:
    """An image of other code than the working tree's."""
    name = unique("built")
    client("s3").put_object(Bucket=bucket, Key=f"{name}.zip", Body=archive(CODE))
    client("codebuild").create_project(
        name=name,
        source={"type": "S3", "location": f"{bucket}/{name}.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [
                {"name": "REPOSITORY_URI", "value": REPOSITORY},
                {"name": "IMAGE_TAG", "value": name},
            ],
        },
        serviceRole=role(client("iam"), "codebuild.amazonaws.com", *PUSHING),
    )
    build = client("codebuild").start_build(projectName=name)["build"]
    assert build["buildStatus"] == "SUCCEEDED", build
    return f"{REPOSITORY}:{name}"


def test_a_job_runs_the_code_of_its_image(client: Client, image: str, job_role: str) -> None:
    name = unique("job")
    client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        RoleArn=job_role,
        AppSpecification={"ImageUri": image},
        ProcessingResources={"ClusterConfig": CLUSTER},
    )
    deadline = time.monotonic() + 60
    while (job := client("sagemaker").describe_processing_job(ProcessingJobName=name))[
        "ProcessingJobStatus"
    ] not in ENDED:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert job["ExitMessage"] == "as it was"


@pytest.fixture
def function(client: Client, image: str) -> Iterator[str]:
    name = unique("function")
    client("lambda").create_function(
        FunctionName=name,
        PackageType="Image",
        Code={"ImageUri": image},
        ImageConfig={
            "EntryPoint": ["python", "-m", "awslambdaric"],
            "Command": ["pipeline_code.work.handler"],
        },
        Role=role(client("iam"), "lambda.amazonaws.com", "logs:*"),
        Timeout=20,
    )
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1}
    )
    yield name
    client("lambda").delete_function(FunctionName=name)


def test_a_function_runs_the_code_of_its_image(client: Client, function: str) -> None:
    answer = client("lambda").invoke(FunctionName=function, Payload=b"{}")
    assert json.load(answer["Payload"]) == "as it was"


def test_a_tag_stays_what_it_was_and_equal_code_is_the_working_trees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_code._Kept, "folder", tmp_path)
    assert image_code.folder_of(f"{REPOSITORY}:never-built") == PROJECT_ROOT
    image_code.keep(f"{REPOSITORY}:other", archive(CODE))
    image_code.keep(f"{REPOSITORY}:other", archive({"__main__.py": "another"}))
    kept = image_code.folder_of(f"{REPOSITORY}:other")
    assert (kept / "pipeline_code" / "__main__.py").read_text() == MAIN
    main = (PROJECT_ROOT / "pipeline_code" / "__main__.py").read_text()
    image_code.keep(f"{REPOSITORY}:equal", archive({"__main__.py": main}))
    assert image_code.folder_of(f"{REPOSITORY}:equal") == PROJECT_ROOT
