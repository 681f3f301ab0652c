"""The SageMaker Python SDK against the embedded AWS: upsert, start, wait, list steps."""

import os
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError

from tests.local_aws.sagemaker.conftest import ENTRIES, IMAGE, allow, unique


@pytest.fixture
def sdk_session(session: boto3.Session, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    # The SDK makes clients of its own while it is imported, and reports home unless told not to.
    credentials = session.get_credentials()
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_ENDPOINT_URL": session.client("sts").meta.endpoint_url,
        "SAGEMAKER_TELEMETRY_OPT_OUT": "true",
        "SAGEMAKER_VALIDATE_ROLE": "false",
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": os.devnull,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    from sagemaker.core.helper.session_helper import Session  # noqa: PLC0415

    return Session(boto_session=session, default_bucket=bucket)


@pytest.fixture
def pipeline_role(make_role: Callable[..., str], bucket: str, job_role: str) -> str:
    return make_role(
        allow(["sagemaker:*"], "*"),
        allow(["iam:PassRole"], job_role),
        allow(["s3:GetObject"], f"arn:aws:s3:::{bucket}/*"),
    )


def test_a_pipeline_of_the_sdk_runs(
    sdk_session: Any, bucket: str, job_role: str, pipeline_role: str
) -> None:
    from sagemaker.core.processing import Processor  # noqa: PLC0415
    from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output  # noqa: PLC0415
    from sagemaker.core.workflow.conditions import ConditionGreaterThan  # noqa: PLC0415
    from sagemaker.core.workflow.functions import JsonGet  # noqa: PLC0415
    from sagemaker.core.workflow.parameters import ParameterFloat  # noqa: PLC0415
    from sagemaker.core.workflow.pipeline_context import PipelineSession  # noqa: PLC0415
    from sagemaker.core.workflow.properties import PropertyFile  # noqa: PLC0415
    from sagemaker.mlops.workflow.condition_step import ConditionStep  # noqa: PLC0415
    from sagemaker.mlops.workflow.fail_step import FailStep  # noqa: PLC0415
    from sagemaker.mlops.workflow.pipeline import Pipeline  # noqa: PLC0415
    from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep  # noqa: PLC0415

    value = ParameterFloat("Value", default_value=0.75)
    processor = Processor(
        role=job_role,
        image_uri=IMAGE,
        instance_count=1,
        instance_type="ml.m5.large",
        entrypoint=ENTRIES,
        base_job_name="measure",
        sagemaker_session=PipelineSession(
            boto_session=sdk_session.boto_session, default_bucket=bucket
        ),
    )
    report = PropertyFile("Report", "report", "report.json")
    output = ProcessingS3Output(
        s3_uri=f"s3://{bucket}/sdk",
        local_path="/opt/ml/processing/output/report",
        s3_upload_mode="EndOfJob",
    )
    measure = ProcessingStep(
        "Measure",
        step_args=processor.run(
            arguments=["measure", value.to_string()],
            outputs=[ProcessingOutput(output_name="report", s3_output=output)],
        ),
        property_files=[report],
        cache_config=CacheConfig(enable_caching=True, expire_after="P1D"),
    )
    gate = ConditionStep(
        "Gate",
        conditions=[
            ConditionGreaterThan(
                left=JsonGet(step_name="Measure", property_file=report, json_path="metrics.value"),
                right=0.5,
            )
        ],
        if_steps=[],
        else_steps=[FailStep("Refuse", error_message="too low")],
    )
    pipeline = Pipeline(
        unique("sdk"), parameters=[value], steps=[measure, gate], sagemaker_session=sdk_session
    )
    created = pipeline.upsert(pipeline_role)
    assert pipeline.upsert(pipeline_role)["PipelineArn"] == created["PipelineArn"]

    execution = pipeline.start()
    execution.wait(delay=1, max_attempts=60)
    steps = {step["StepName"]: step["StepStatus"] for step in execution.list_steps()}
    assert steps == {"Measure": "Succeeded", "Gate": "Succeeded"}
    assert execution.describe()["PipelineExecutionStatus"] == "Succeeded"

    low = pipeline.start(parameters={"Value": 0.25})
    with pytest.raises(WaiterError):
        low.wait(delay=1, max_attempts=60)
    assert "Refuse: too low" in low.describe()["FailureReason"]
    pipeline.delete()
