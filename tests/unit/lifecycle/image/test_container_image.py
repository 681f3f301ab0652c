import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_ssm as ssm
from aws_cdk.assertions import Match, Template

from lifecycle.image.container_image import ContainerImage


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    return new_surroundings()


@pytest.fixture(scope="module")
def template(around: Any) -> Template:
    return around.template()


def repository(template: Template) -> dict[str, Any]:
    (found,) = template.find_resources("AWS::ECR::Repository").values()
    return dict(found)


def project(template: Template) -> dict[str, Any]:
    (found,) = template.find_resources("AWS::CodeBuild::Project").values()
    return dict(found["Properties"])


def test_images_are_encrypted_scanned_and_never_overwritten(
    around: Any, template: Template
) -> None:
    properties = repository(template)["Properties"]
    assert properties["EncryptionConfiguration"] == {
        "EncryptionType": "KMS",
        "KmsKey": around.key_arn,
    }
    assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert properties["ImageTagMutability"] == "IMMUTABLE"


def test_an_image_with_a_tag_never_expires(template: Template) -> None:
    policy = json.loads(
        repository(template)["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]
    )
    (rule,) = policy["rules"]
    assert rule["selection"] == {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countNumber": 1,
        "countUnit": "days",
    }


def test_images_survive_their_stack_if_models_do(template: Template) -> None:
    assert repository(template)["DeletionPolicy"] == "Retain"
    assert repository(template)["Properties"]["EmptyOnDelete"] is False


def test_images_go_with_their_stack_if_models_do(new_stack: Callable[[], cdk.Stack]) -> None:
    stack = new_stack()
    key = kms.Key(stack, "Key")
    ContainerImage(stack, "Image", encryption_key=key, removal_policy=cdk.RemovalPolicy.DESTROY)
    found = repository(Template.from_stack(stack))
    assert found["DeletionPolicy"] == "Delete"
    assert found["Properties"]["EmptyOnDelete"] is True


def test_the_tag_is_the_hash_of_the_source(around: Any) -> None:
    assert len(around.image.tag) == 64
    assert int(around.image.tag, 16) > 0


def test_other_stacks_import_nothing_that_changes_with_the_source(
    new_surroundings: Callable[[], Any],
) -> None:
    around = new_surroundings()
    consumer = cdk.Stack(cdk.Stage.of(around.stack), "Consumer")
    ssm.StringParameter(consumer, "Uri", string_value=around.image.uri)
    (uri,) = Template.from_stack(consumer).find_resources("AWS::SSM::Parameter").values()
    exports = around.template().to_json()["Outputs"].values()
    assert uri["Properties"]["Value"]["Fn::Join"][1][-1] == f":{around.image.tag}"
    assert not any(around.image.tag in json.dumps(export) for export in exports)
    assert not any("ImageTag" in json.dumps(export) for export in exports)


def test_the_build_pushes_the_tag_that_it_is_told(template: Template) -> None:
    specification = json.loads(project(template)["Source"]["BuildSpec"])
    assert specification["phases"]["build"]["commands"][-2:] == [
        "docker build --target $BUILD_TARGET --tag $REPOSITORY_URI:$IMAGE_TAG .",
        "docker push $REPOSITORY_URI:$IMAGE_TAG",
    ]
    # Else an image may become an index, which Lambda does not run.
    assert specification["env"] == {"variables": {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}}


def test_the_image_alone_is_built(around: Any, template: Template) -> None:
    (build,) = template.find_resources("Custom::ContainerImage").values()
    assert build["Properties"]["BuildTarget"] == "project"
    with pytest.raises(ValueError, match=r"^variant must be one that is built, got spark"):
        around.image.variant_uri("spark")


@pytest.mark.parametrize("variants", [("spark",), ("cuda",), ("cuda", "spark")])
def test_a_variant_is_built_besides_under_a_tag_of_its_own(
    new_stack: Callable[[], cdk.Stack], variants: tuple[Any, ...]
) -> None:
    stack = new_stack()
    image = ContainerImage(
        stack,
        "Image",
        encryption_key=kms.Key(stack, "Key"),
        removal_policy=cdk.RemovalPolicy.DESTROY,
        variants=variants,
    )
    builds = Template.from_stack(stack).find_resources("Custom::ContainerImage")
    assert {
        (each["Properties"]["BuildTarget"], each["Properties"]["ImageTag"])
        for each in builds.values()
    } == {
        ("project", image.tag),
        *((variant, f"{image.tag}-{variant}") for variant in variants),
    }
    for variant in variants:
        uri = stack.resolve(image.variant_uri(variant))
        assert uri["Fn::Join"][1][-1] == f":{image.tag}-{variant}"


def test_builds_start_when_they_may_and_one_after_another(
    new_surroundings: Callable[..., Any],
) -> None:
    around = new_surroundings(variants=("spark", "cuda"))
    resources = around.template().to_json()["Resources"]
    builds = {name: each["DependsOn"] for name, each in resources.items() if is_build(each)}
    chain = sorted(builds, key=lambda name: len(builds.keys() & builds[name]))
    assert [len(builds.keys() & builds[name]) for name in chain] == [0, 1, 1]
    assert len({name for each in builds.values() for name in builds.keys() & each}) == 2
    # A project and a function, each with the policies of its role; AWS lets none of these be.
    for depends_on in builds.values():
        attached = [resources[name] for name in depends_on]
        for kind, count in {"AWS::CodeBuild::Project": 1, "AWS::IAM::Policy": 3}.items():
            assert len([each for each in attached if each["Type"] == kind]) == count


def is_build(resource: dict[str, Any]) -> bool:
    return bool(resource["Type"] == "Custom::ContainerImage")


def test_one_variant_does_not_give_the_other(new_surroundings: Callable[..., Any]) -> None:
    around = new_surroundings(variants=("cuda",))
    with pytest.raises(ValueError, match="got spark"):
        around.image.variant_uri("spark")


def test_the_build_encrypts_what_it_leaves(around: Any, template: Template) -> None:
    assert project(template)["EncryptionKey"] == around.key_arn
    groups = [
        group["Properties"] for group in template.find_resources("AWS::Logs::LogGroup").values()
    ]
    assert groups
    assert all(group["KmsKeyId"] == around.key_arn for group in groups)


def test_docker_gets_the_privilege_it_needs(template: Template) -> None:
    assert project(template)["Environment"]["PrivilegedMode"] is True


def test_the_build_is_waited_for_during_deployment(around: Any, template: Template) -> None:
    template.has_resource_properties(
        "Custom::ContainerImage",
        {
            "ImageTag": around.image.tag,
            "ProjectName": Match.any_value(),
            "RepositoryName": Match.any_value(),
            "ServiceTimeout": "3600",
        },
    )


def test_the_builder_may_start_this_project_and_look_for_this_image(
    around: Any, template: Template
) -> None:
    (project_id,) = template.find_resources("AWS::CodeBuild::Project")
    (repository_id,) = template.find_resources("AWS::ECR::Repository")
    role = around.image.node.find_child("Builder").role
    for action in ("StartBuild", "BatchGetBuilds", "ListBuildsForProject"):
        assert around.allowed(role, f"codebuild:{action}") == [{"Fn::GetAtt": [project_id, "Arn"]}]
    (function,) = around.allowed(role, "lambda:InvokeFunction")
    assert function == around.stack.resolve(
        around.image.node.find_child("Builder").function.function_arn
    )
    assert around.allowed(role, "ecr:DescribeImages") == [{"Fn::GetAtt": [repository_id, "Arn"]}]


def test_the_build_may_push_to_this_repository_only(around: Any, template: Template) -> None:
    (repository_id,) = template.find_resources("AWS::ECR::Repository")
    role = around.image.project.role
    assert around.allowed(role, "ecr:PutImage") == [{"Fn::GetAtt": [repository_id, "Arn"]}]
