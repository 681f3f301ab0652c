"""Pipeline executions: their names, and how one that failed reads."""

import re

import pytest

from operations.cli.parts.following import steps_table
from operations.executions import ExecutionStep, PipelineExecution, display_name
from operations.log_streams import job_log

REASON = "average precision 0.2 is 0.1 below the floor 0.3"
REFUSED = PipelineExecution(
    arn="arn",
    name="manual-1",
    status="Failed",
    steps=[
        ExecutionStep("EvaluateModel", "Succeeded", 12.0, "arn:aws:sagemaker:x:1:processing-job/e"),
        ExecutionStep("Gate", "Succeeded", 0.0, "False"),
        ExecutionStep("RefuseModel", "Failed", 0.0, REASON),
    ],
)


def test_executions_have_names_that_differ_and_that_sagemaker_takes() -> None:
    names = {display_name("manual") for _ in range(20)}
    assert len(names) == 20
    # The pattern of PipelineExecutionDisplayName in SageMaker's API.
    assert all(re.fullmatch("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,81}", name) for name in names)


def test_a_refusal_of_the_gate_reads_as_one() -> None:
    assert REFUSED.explain() == f"the gate refused the model: {REASON}"
    columns = list(zip(*(column.cells for column in steps_table(REFUSED).columns), strict=True))
    assert columns == [
        ("EvaluateModel", "Succeeded", "12.0", "e"),
        ("Gate", "Refused", "0.0", ""),
        ("RefuseModel", "Failed", "0.0", REASON),
    ]


@pytest.mark.parametrize(
    ("job", "group", "prefix"),
    [
        ("processing-job/a", "/aws/sagemaker/ProcessingJobs", "a/"),
        ("training-job/a", "/aws/sagemaker/TrainingJobs", "a/"),
        ("transform-job/a", "/aws/sagemaker/TransformJobs", "a/"),
        # It logs nothing itself: the training jobs whose names begin as its own do.
        ("hyper-parameter-tuning-job/a", "/aws/sagemaker/TrainingJobs", "a-"),
    ],
)
def test_a_job_logs_into_the_group_of_its_kind(job: str, group: str, prefix: str) -> None:
    log = job_log(f"arn:aws:sagemaker:eu-west-1:123456789012:{job}")
    assert (log.group, log.prefix) == (group, prefix)
