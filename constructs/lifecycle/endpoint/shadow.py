"""A challenger in the shadow: it is asked what the champion is asked, and nobody hears it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, CfnCondition, Fn, IResolvable, Token
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.jobs.instance_types import check_instance_type
from lifecycle.registry.spelled_package import package_variables, part

__all__ = [
    "CHALLENGER_VARIANT",
    "ShadowConfig",
    "challenger_container",
    "shadow_condition",
    "shadow_variants",
]

# Its captures lie below this name, beside those of the production variant.
CHALLENGER_VARIANT = "challenger"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowConfig:
    """What a challenger sees and runs on. Without a challenger it costs nothing.

    Attributes:
        percent: Share of the live requests that it is asked too.
        instance_count: Instances, which do not scale: what they cannot bear is not answered, and
            missing in the comparison.
        instance_type: Their type. If omitted, that of the endpoint.
    """

    percent: int = 100
    instance_count: int = 1
    instance_type: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= 100:  # noqa: PLR2004
            raise ValueError(
                f"percent must be between 1 and 100, got {self.percent}; leave shadow out to have "
                "no challenger"
            )
        if self.instance_count < 1:
            raise ValueError(
                f"instance_count must be at least 1, got {self.instance_count}; a challenger "
                "needs an instance"
            )
        if self.instance_type is not None:
            check_instance_type("instance_type", self.instance_type, example="ml.c6i.large")


def challenger_container(
    parameter: str, environment: Mapping[str, str]
) -> sagemaker.CfnModel.ContainerDefinitionProperty:
    """What the challenger's model runs, by the parameter's value.

    A model of a package would have to be approved, and what is approved is deployed. So the model
    is made of what the package holds: the parameter spells it out, in the order of `PARTS`.

    Args:
        parameter: Value of the challenger's parameter, which may be `none`.
        environment: The container's variables, beside what the package says.
    """
    return sagemaker.CfnModel.ContainerDefinitionProperty(
        image=part(parameter, "image"),
        model_data_url=part(parameter, "model_data_url"),
        environment={**environment, **package_variables(parameter)},
    )


def shadow_condition(
    scope: Construct, *, champion: str, challenger: str, nobody: str
) -> CfnCondition:
    """When there is a challenger: one is named, and so is the champion whom it is compared with.

    Args:
        scope: Where the condition is defined.
        champion: The approved package.
        challenger: Value of the challenger's parameter.
        nobody: What names no package.
    """
    return CfnCondition(
        scope,
        "Challenged",
        expression=Fn.condition_and(
            *(
                Fn.condition_not(Fn.condition_equals(name, nobody))
                for name in (champion, challenger)
            )
        ),
    )


def shadow_variants(
    config: ShadowConfig,
    *,
    model: sagemaker.CfnModel,
    instance_type: str,
    condition: CfnCondition,
) -> IResolvable:
    """The endpoint configuration's shadow variants: one while the condition holds, else none.

    Args:
        config: Share and instances.
        model: The challenger.
        instance_type: Type of the instances, if the configuration has none of its own.
        condition: When there is a challenger.
    """
    # Inside of a condition nothing is typed: it is copied as it is, hence CloudFormation's own
    # spelling. SageMaker copies requests by the ratio of weights; the production variant's is 1.
    variant: dict[str, Any] = {
        "VariantName": CHALLENGER_VARIANT,
        "ModelName": model.attr_model_name,
        "InstanceType": config.instance_type or instance_type,
        "InitialInstanceCount": config.instance_count,
        "InitialVariantWeight": config.percent / 100,
    }
    return Token.as_any(Fn.condition_if(condition.logical_id, [variant], Aws.NO_VALUE))
