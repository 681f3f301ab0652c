import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Annotations, Match

from lifecycle.lake.retention import data_removal_policy


@pytest.mark.parametrize(
    ("delete_with_stack", "may_delete_data", "policy"),
    [
        (False, False, cdk.RemovalPolicy.RETAIN),
        (False, True, cdk.RemovalPolicy.RETAIN),
        (True, False, cdk.RemovalPolicy.RETAIN),
        (True, True, cdk.RemovalPolicy.DESTROY),
    ],
)
def test_data_goes_only_if_both_keys_are_turned(
    stack: cdk.Stack, delete_with_stack: bool, may_delete_data: bool, policy: cdk.RemovalPolicy
) -> None:
    assert policy is data_removal_policy(
        stack, delete_with_stack=delete_with_stack, may_delete_data=may_delete_data
    )


def test_a_refused_deletion_is_told(stack: cdk.Stack, key: kms.IKey) -> None:
    data_removal_policy(stack, delete_with_stack=True, may_delete_data=False)
    Annotations.from_stack(stack).has_warning("*", Match.string_like_regexp("the data is kept"))


def test_what_was_not_asked_for_is_not_warned_of(stack: cdk.Stack, key: kms.IKey) -> None:
    data_removal_policy(stack, delete_with_stack=False, may_delete_data=False)
    Annotations.from_stack(stack).has_no_warning("*", Match.any_value())
