"""Only what is listed is answered; each operation asks IAM about what AWS asks about."""

import functools
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.metadata import distribution
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.requests.shapes import MODELS, model
from local_aws.requests.supported import PREFIXES, action_of, operations
from local_aws.requests.supported_table import refreshed
from local_aws.sagemaker.installation import SAGEMAKER_APIS
from local_aws.server import EmbeddedAws
from local_aws.settings import PROJECT_ROOT

Client = Callable[[str], Any]
LISTED = [
    (service, operation, resources)
    for service, found in operations().items()
    if service not in ("also", "keys", "types", "unread", "unread_properties")
    for operation, resources in found.items()
]
# Where the reference, of the edition that cfn-lint brings, says other than is asked here.
OTHERWISE = {
    # Denials name "log-group::log-stream:" (aws-cdk #15118 and others); the reference, nothing.
    "logs:DescribeLogGroups",
    # Their data sets cannot be named in a request; without one, "*" is the stricter (a guess).
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    "cloudwatch:PutMetricData",
}


@pytest.fixture(scope="module")
def reference() -> Any:
    path = distribution("cfn-lint").locate_file("cfnlint/data/AdditionalSpecs/Policies.json")
    return json.loads(str(path.read_text()))


@functools.cache
def operation_names(service: str) -> list[str]:
    return list(model(service).operation_names)


@pytest.mark.parametrize(("service", "operation", "resources"), LISTED)
def test_an_operation_asks_about_what_the_reference_lists(
    reference: Any, service: str, operation: str, resources: Any
) -> None:
    assert operation in operation_names(service)
    action = action_of(service, operation)
    if resources == "" or action in OTHERWISE:
        return
    known = reference[PREFIXES.get(service, service)]["Actions"][action.partition(":")[2].lower()]
    assert ("Resources" in known) == (resources != "*"), action


def test_nothing_asked_is_no_failure(session: boto3.Session) -> None:
    """Of what is listed, and of all that SageMaker has."""
    config = Config(parameter_validation=False, retries={"max_attempts": 0})
    asked = [(MODELS.get(service, service), operation) for service, operation, _ in LISTED]
    asked += [
        (api, operation)
        for api in SAGEMAKER_APIS
        for operation in session.client(api).meta.service_model.operation_names
    ]
    clients = functools.cache(functools.partial(session.client, config=config))
    failed, tried = [], 0
    for service, operation in asked:
        client = clients(service)
        shape = client.meta.service_model.operation_model(operation).input_shape
        members = {} if shape is None else shape.members
        if any(each.serialization.get("location") == "uri" for each in members.values()):
            continue  # there is no such request without them
        tried += 1
        try:
            client._make_api_call(operation, {})
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                failed.append((operation, str(error)))
    assert (failed, tried > 600) == ([], True)


@pytest.mark.parametrize(
    ("service", "method", "arguments"),
    [
        ("dynamodb", "list_tables", {}),
        ("ec2", "describe_instances", {}),
        ("ecs", "list_clusters", {}),
        ("iam", "create_instance_profile", {"InstanceProfileName": "x"}),
        ("kms", "get_public_key", {"KeyId": "x"}),
        ("lambda", "list_layers", {}),
        ("s3", "get_bucket_acl", {"Bucket": "x"}),
        ("sns", "list_platform_applications", {}),
        ("sts", "get_session_token", {}),
    ],
)
def test_what_is_not_listed_is_refused(
    client: Client, service: str, method: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="is not supported by the embedded AWS") as refused:
        getattr(client(service), method)(**arguments)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 501)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("list_buckets", {}),
        ("create_bucket", {"Bucket": "anybodys"}),
        ("get_object", {"Bucket": "open-bucket", "Key": "k"}),
        ("put_object", {"Bucket": "open-bucket", "Key": "k", "Body": b"x"}),
        ("list_objects_v2", {"Bucket": "open-bucket"}),
        ("delete_bucket", {"Bucket": "open-bucket"}),
    ],
)
def test_nobody_is_served_without_credentials(
    client: Client, method: str, arguments: dict[str, Any]
) -> None:
    client("s3").create_bucket(Bucket="open-bucket")
    anonymous = boto3.client(
        "s3",
        endpoint_url=client("s3").meta.endpoint_url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    with pytest.raises(ClientError) as refused:
        getattr(anonymous, method)(**arguments)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_localstack/health"),
        ("GET", "/_aws/lambda-url/x"),
        ("GET", "/health"),
        ("GET", "/logout"),
        ("OPTIONS", "/any-bucket"),
        ("POST", "/?Action=ListRoles"),
        ("POST", "/?Action=ConfirmSubscription&TopicArn=a&Token=b"),
    ],
)
def test_no_door_but_the_api_is_open(embedded_aws: EmbeddedAws, method: str, path: str) -> None:
    url = embedded_aws.connection()["endpoint_url"] + path
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5)  # noqa: S310
    assert refused.value.code in (400, 403, 404, 501)


def test_a_request_is_for_the_service_that_it_is_signed_for(client: Client) -> None:
    sqs = client("sqs")

    def missign(request: Any, **_more: Any) -> None:
        request.headers["X-Amz-Target"] = "AmazonSSM.GetParameters"

    other = boto3.client(
        "sqs",
        endpoint_url=sqs.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=sqs._request_signer._credentials.access_key,
        aws_secret_access_key=sqs._request_signer._credentials.secret_key,
    )
    other.meta.events.register("before-sign.sqs.*", missign)
    with pytest.raises(ClientError, match="correct service: 'ssm'"):
        other.list_queues()


@pytest.mark.parametrize(
    ("service", "method", "code"),
    [
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ("athena", "list_work_groups", "InvalidSignatureException"),
        ("lambda", "list_functions", "InvalidSignatureException"),
        ("sagemaker", "list_models", "InvalidSignatureException"),
        ("s3", "list_buckets", "AuthorizationHeaderMalformed"),
    ],
)
def test_a_request_is_signed_for_the_region(
    client: Client, service: str, method: str, code: str
) -> None:
    known = client(service)
    credentials = known._request_signer._credentials
    elsewhere = boto3.client(
        service,
        endpoint_url=known.meta.endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
    )
    with pytest.raises(ClientError, match="eu-west-1") as refused:
        getattr(elsewhere, method)()
    assert refused.value.response["Error"]["Code"] == code


def test_the_readme_has_the_list_as_it_is() -> None:
    page = PROJECT_ROOT / "local_aws" / "README.md"
    assert page.read_text() == refreshed(page.read_text()), "make docs brings it up to date"
