"""Roles, buckets, models and endpoints for the tests of this folder, made by real clients."""

import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from local_aws.server import EmbeddedAws
from tests.local_aws.images import PULL, make_repositories

Client = Callable[[str], Any]
STAND_IN = Path(__file__).parent / "stand_in"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop:test"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def make_role(client: Client, *statements: dict[str, Any]) -> str:
    """A role that may do this, pull the image, and nothing else; its ARN."""
    make_repositories(client)
    name = unique("role")
    iam = client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", **each} for each in (*PULL, *statements)],
    }
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return arn


def archive(**files: bytes) -> bytes:
    """A model.tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def production_variant(model: str, **settings: Any) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "ContainerStartupHealthCheckTimeoutInSeconds": 60,
        **settings,
    }


def serverless_variant(model: str, concurrency: int = 2) -> dict[str, Any]:
    settings = {"MemorySizeInMB": 1024, "MaxConcurrency": concurrency}
    return {"VariantName": "AllTraffic", "ModelName": model, "ServerlessConfig": settings}


def server_processes(aws: EmbeddedAws, endpoint: str) -> int:
    """How many processes serve an endpoint."""
    root, count = str(aws.state_dir / "ml" / "endpoints" / endpoint), 0
    for process in psutil.process_iter():
        try:
            count += root in " ".join(process.cmdline())
        except psutil.Error:
            continue
    return count


def capture_config(bucket: str, prefix: str, **settings: Any) -> dict[str, Any]:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{bucket}/{prefix}",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        **settings,
    }


def metric(client: Client, name: str, endpoint: str, variant: str, **settings: Any) -> float:
    """The sum of what an endpoint's variant has of a metric."""
    query = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
        ],
        "StartTime": datetime.now(UTC) - timedelta(hours=1),
        "EndTime": datetime.now(UTC) + timedelta(hours=1),
        "Period": 60,
        "Statistics": ["Sum"],
        **settings,
    }
    points = client("cloudwatch").get_metric_statistics(MetricName=name, **query)["Datapoints"]
    return float(sum(point["Sum"] for point in points))


@dataclass
class Serving:
    """Makes what an endpoint needs, of the stand-in server."""

    client: Client
    bucket: str
    role: str

    @classmethod
    def make(cls, client: Client) -> "Serving":
        bucket = unique("serving")
        client("s3").create_bucket(Bucket=bucket)
        client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=archive(weights=b"1"))
        arn = f"arn:aws:s3:::{bucket}"
        role = make_role(
            client,
            {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{arn}/*"},
            {"Action": "s3:ListBucket", "Resource": arn},
            {"Action": "cloudwatch:DescribeAlarms", "Resource": "*"},
            {
                "Action": [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                "Resource": "arn:aws:logs:*:*:log-group:/aws/sagemaker/*:*",
            },
        )
        return cls(client, bucket, role)

    def model(self, name: str = "model", key: str = "model.tar.gz", **environment: str) -> str:
        model = unique("model")
        self.client("sagemaker").create_model(
            ModelName=model,
            ExecutionRoleArn=self.role,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://{self.bucket}/{key}",
                "Environment": {
                    "PYTHONPATH": str(STAND_IN),
                    "STAND_IN_NAME": name,
                    **environment,
                },
            },
        )
        return model

    def config(self, model: str, *, count: int = 1, **settings: Any) -> str:
        name = unique("config")
        variant = production_variant(model, InitialInstanceCount=count)
        self.client("sagemaker").create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant], **settings
        )
        return name

    def endpoint(self, config: str) -> str:
        name = unique("endpoint")
        self.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert (settled := self.settled(name))["EndpointStatus"] == "InService", settled
        return name

    def settled(self, endpoint: str) -> dict[str, Any]:
        """The endpoint's description once nothing is being done to it."""
        while True:
            answer: dict[str, Any] = self.client("sagemaker").describe_endpoint(
                EndpointName=endpoint
            )
            if answer["EndpointStatus"] in {"InService", "Failed"}:
                return answer
            time.sleep(0.1)

    def captured(self, prefix: str) -> list[dict[str, Any]]:
        """What is captured below a prefix of the bucket."""
        s3 = self.client("s3")
        listed = s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        bodies = [s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"] for item in listed]
        return [json.loads(line) for body in bodies for line in body.read().splitlines()]

    def invoke(
        self, endpoint: str, body: bytes = b"hello", *, runtime: Any = None, **settings: Any
    ) -> dict[str, Any]:
        runtime = self.client("sagemaker-runtime") if runtime is None else runtime
        answer: dict[str, Any] = runtime.invoke_endpoint(
            EndpointName=endpoint, Body=body, **settings
        )
        return answer

    def ask(self, endpoint: str, body: bytes = b"hello", **settings: Any) -> dict[str, Any]:
        """What the stand-in says about itself, and as `pid` which process of this machine it is."""
        document: dict[str, Any] = json.loads(
            self.invoke(endpoint, body, **settings)["Body"].read()
        )
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == document["port"]:
                document["pid"] = each.pid
        return document
