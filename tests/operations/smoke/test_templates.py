"""The run's own stacks are what CloudFormation takes, in an account too."""

import json
from pathlib import Path
from typing import Any

from cfnlint.api import lint_file

from local_aws.server import EmbeddedAws
from operations.smoke.grants import Place
from operations.smoke.probes.stacked import endpoint_template
from operations.smoke.run import Run, new_name
from operations.smoke.template import own_template
from operations.target import Target

PLACE = Place(
    name=new_name(),
    partition="aws",
    region="eu-west-1",
    account="123456789012",
    image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/fraudloop-dev:1",
)


def test_cfn_lint_accepts_them(tmp_path: Path, aws: EmbeddedAws) -> None:
    target = Target("local", aws.session(), {})
    role = "arn:aws:iam::123456789012:role/model"
    outputs = {"ModelRole": role, "StackAlarm": "alarm", "Bucket": "bucket"}
    run = Run(target=target, name=PLACE.name, image=PLACE.image, deadline=0, outputs=outputs)
    for name, template in {
        "own": own_template(PLACE),
        "endpoint": endpoint_template(run, "first"),
    }.items():
        file = tmp_path / f"{name}.json"
        file.write_text(template)
        assert lint_file(file) == [], name


def test_roles_trust_as_the_projects_do() -> None:
    """What hangs on the answers is their conditions: `lifecycle.access.service_trust`."""
    resources: dict[str, Any] = json.loads(own_template(PLACE))["Resources"]
    trusts = {
        name: body["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].get("Condition")
        for name, body in resources.items()
        if body["Type"] == "AWS::IAM::Role"
    }
    account = PLACE.account
    if_there = {"aws:SourceAccount": account, "sts:ExternalId": account}
    assert trusts["GroupRole"] == trusts["LandingRole"] == {"StringEqualsIfExists": if_there}
    assert trusts["ModelRole"] == {"StringEquals": {"aws:SourceAccount": account}}
    (_, events) = resources["Key"]["Properties"]["KeyPolicy"]["Statement"]
    queues = f"arn:aws:sqs:eu-west-1:{account}:*"
    assert events["Condition"] == {"ArnLike": {"kms:EncryptionContext:aws:sqs:arn": queues}}
