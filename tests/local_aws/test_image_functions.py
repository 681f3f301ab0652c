import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.containers import confinement
from tests.local_aws.events.test_delivery import role

Client = Callable[[str], Any]
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop-local:one"
ENTRYPOINT = ["python", "-m", "awslambdaric"]
FOLDER = str(Path(__file__).parent)
HANDLER = "functions.describe"


def image_config(handler: str = HANDLER) -> dict[str, Any]:
    return {"EntryPoint": ENTRYPOINT, "Command": [handler]}


@pytest.fixture
def function(client: Client) -> Iterator[str]:
    """A function of the image, made by the API."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    client("lambda").create_function(**request(client, FunctionName=name))
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1}
    )
    yield name
    client("lambda").delete_function(FunctionName=name)


def request(client: Client, **changes: Any) -> dict[str, Any]:
    return {
        "FunctionName": "refused",
        "PackageType": "Image",
        "Code": {"ImageUri": IMAGE},
        "ImageConfig": image_config(),
        "Role": role(client("iam"), "lambda.amazonaws.com", "sts:GetCallerIdentity", "logs:*"),
        "Environment": {"Variables": {"VARIABLE": "set", "PYTHONPATH": FOLDER}},
        "Timeout": 5,
        **changes,
    }


def invoke(client: Client, name: str, event: dict[str, Any]) -> dict[str, Any]:
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return {"error": answer.get("FunctionError"), "payload": json.load(answer["Payload"])}


def test_a_handler_of_the_working_tree_runs_as_the_functions_role(
    client: Client, function: str
) -> None:
    first = invoke(client, function, {"id": 1})["payload"]
    assert first["event"] == {"id": 1}
    assert (first["function"], first["variable"]) == (function, "set")
    assert first["caller"].endswith(f"/{function}")
    second = invoke(client, function, {"id": 2})["payload"]
    assert (second["pid"], second["invocations"]) == (first["pid"], 2)


RUNTIME = {
    *("PATH", "LANG", "TZ", "_HANDLER", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("AWS_SESSION_TOKEN", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME"),
    *("AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"),
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
}
ADDED = {"AWS_ENDPOINT_URL", "AWS_DISABLE_HOST_PREFIX_INJECTION", "LC_CTYPE"}
OF_THE_IMAGE = {"PYTHONPATH", "PYTHONUNBUFFERED", "OMP_WAIT_POLICY", "VARIABLE"}


@pytest.mark.skipif(
    confinement.refusal() is not None, reason=f"NOT CHECKED: {confinement.refusal()}"
)
def test_a_function_sees_its_image_or_its_runtime_and_writes_to_tmp_alone(
    client: Client, function: str
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.write(Path(__file__).with_name("functions.py"), "handler.py")
    zipped = f"{function}-zip"
    client("lambda").create_function(
        FunctionName=zipped,
        Runtime="python3.13",
        Handler="handler.describe",
        Code={"ZipFile": archive.getvalue()},
        Role=role(client("iam"), "lambda.amazonaws.com", "sts:GetCallerIdentity"),
        EphemeralStorage={"Size": 600},
    )
    client("lambda").get_waiter("function_active_v2").wait(FunctionName=zipped)
    of_image, of_zip = (
        invoke(client, f, {"look": True})["payload"]["seen"] for f in (function, zipped)
    )
    client("lambda").delete_function(FunctionName=zipped)
    for seen, own in ((of_image, OF_THE_IMAGE), (of_zip, {"AWS_EXECUTION_ENV"})):
        hidden = ("_LAMBDA_", "_MINISTACK_")
        told = {name for name in seen["environment"] if not name.startswith(hidden)}
        assert told - ADDED == RUNTIME | own
        assert seen["user"] == 993
        for place in ("task", "program", "home"):
            assert "Read-only file system" in seen[place]
        assert seen["tmp"] == "None"
        assert seen["server"].startswith("ModuleNotFoundError")
    assert (of_image["folder"], of_zip["folder"]) == ("/opt/program", "/var/task")
    assert (of_image["space"], of_zip["space"]) == (512 << 20, 600 << 20)
    assert of_image["library"] == "pyarrow"
    assert of_zip["library"].startswith("ModuleNotFoundError")


def test_invocations_at_once_have_a_process_each(client: Client, function: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: invoke(client, function, {"sleep": 1}), range(3)))
    assert len({answer["payload"]["pid"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"fail": True}, "told to fail"),
        ({"die": True}, "Worker process died"),
        ({"sleep": 3}, "Task timed out after 1"),
    ],
)
def test_a_failure_is_the_functions(
    event: dict[str, Any], message: str, client: Client, function: str
) -> None:
    if "sleep" in event:
        client("lambda").update_function_configuration(FunctionName=function, Timeout=1)
    answer = invoke(client, function, event)
    assert answer["error"] == "Unhandled"
    assert message in answer["payload"]["errorMessage"]
    assert invoke(client, function, {"id": 3})["payload"]["event"] == {"id": 3}


def test_a_function_that_raises_says_what_and_stays_warm(client: Client, function: str) -> None:
    before = invoke(client, function, {"id": 1})["payload"]
    raised = invoke(client, function, {"fail": True})["payload"]
    assert raised["errorType"] == "ValueError"
    assert any("told to fail" in line for line in raised["stackTrace"])
    after = invoke(client, function, {"id": 2})["payload"]
    assert (after["pid"], after["invocations"]) == (before["pid"], 3)


def test_what_it_prints_is_logged(
    client: Client, function: str, eventually: Callable[..., Any]
) -> None:
    invoke(client, function, {"id": "seen"})

    def logged() -> bool:
        events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")
        return any("described seen" in event["message"] for event in events["events"])

    eventually(logged)


def test_it_is_described_as_aws_does(client: Client, function: str) -> None:
    described = client("lambda").get_function(FunctionName=function)
    configuration = described["Configuration"]
    assert configuration["PackageType"] == "Image"
    assert configuration["ImageConfigResponse"] == {"ImageConfig": image_config()}
    assert not {"Runtime", "Handler"} & configuration.keys()
    assert described["Code"]["ImageUri"] == IMAGE
    assert described["Code"]["RepositoryType"] == "ECR"
    updated = client("lambda").update_function_code(
        FunctionName=function, ImageUri=IMAGE.replace("one", "two")
    )
    assert updated["CodeSha256"] != configuration["CodeSha256"]
    described = client("lambda").get_function(FunctionName=function)
    assert described["Code"]["ImageUri"].endswith(":two")


def test_another_command_is_another_handler(client: Client, function: str) -> None:
    assert invoke(client, function, {})["payload"]["function"] == function
    client("lambda").update_function_configuration(
        FunctionName=function, ImageConfig=image_config("functions.other")
    )
    client("lambda").get_waiter("function_updated_v2").wait(
        FunctionName=function, WaiterConfig={"Delay": 0.1}
    )
    assert invoke(client, function, {})["payload"] == "other"


REFUSED = [
    (
        {"Code": {"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/another:1"}},
        "does not support the image '000000000000.dkr.ecr.us-east-1.amazonaws.com/another:1'",
    ),
    ({"ImageConfig": {"Command": [HANDLER]}}, "must be python -m awslambdaric, got python -m pipe"),
    ({"ImageConfig": {"EntryPoint": ENTRYPOINT}}, r"must be one handler, got \[\]"),
    ({"ImageConfig": image_config("handler")}, r"must be one handler, got \['handler'\]"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_cannot_run_here_is_refused(
    changes: dict[str, Any], message: str, client: Client
) -> None:
    with pytest.raises(ClientError, match=message):
        client("lambda").create_function(**request(client, **changes))


def test_a_refused_update_changes_nothing(client: Client, function: str) -> None:
    lambda_ = client("lambda")
    with pytest.raises(ClientError, match="does not support the image"):
        lambda_.update_function_code(FunctionName=function, ImageUri="docker.io/library/other")
    with pytest.raises(ClientError, match="must be one handler"):
        lambda_.update_function_configuration(
            FunctionName=function, ImageConfig={"EntryPoint": ENTRYPOINT}
        )
    assert lambda_.get_function(FunctionName=function)["Code"]["ImageUri"] == IMAGE
    assert invoke(client, function, {"id": 4})["payload"]["event"] == {"id": 4}


def test_a_template_deploys_and_updates_it(
    client: Client, deploy: Callable[..., dict[str, str]]
) -> None:
    client("ecr").create_repository(repositoryName="renamed-fraudloop")
    image = IMAGE.replace("fraudloop-local", "renamed-fraudloop")
    properties = {
        "PackageType": "Image",
        "Code": {"ImageUri": image},
        "ImageConfig": image_config(),
        "Role": request(client)["Role"],
        "Environment": {"Variables": {"PYTHONPATH": FOLDER}},
    }
    name = f"test-{uuid.uuid4().hex[:8]}"

    def deployed() -> str:
        resource = {"Type": "AWS::Lambda::Function", "Properties": properties}
        return deploy({"Function": resource}, {"Name": {"Ref": "Function"}}, name=name)["Name"]

    function = deployed()
    assert invoke(client, function, {"id": 5})["payload"]["event"] == {"id": 5}
    properties["ImageConfig"] = image_config("functions.other")
    properties["Code"] = {"ImageUri": image.replace("one", "two")}
    assert deployed() == function
    described = client("lambda").get_function(FunctionName=function)
    assert described["Code"]["ImageUri"].endswith("renamed-fraudloop:two")
    assert "Runtime" not in described["Configuration"]
    assert invoke(client, function, {})["payload"] == "other"
