"""The parts of a model package that a parameter spells, read by CloudFormation."""

from __future__ import annotations

from aws_cdk import Fn

from pipeline_code.contracts.packages import PARTS, SCHEMA_MARK, SEPARATOR, UNTOLD_VERSION

__all__ = ["package_variables", "part", "schema_version"]


def part(parameter: str, name: str) -> str:
    """One part of a parameter's value; empty where the value is an ARN alone, or `none`.

    Args:
        parameter: The value, known at deployment.
        name: One of `PARTS`; the first of them is the package's ARN, or `none`.
    """
    # Never too few parts, even of `none`: what is not used is resolved all the same.
    parts = Fn.split(SEPARATOR, Fn.join("", [parameter, SEPARATOR * (len(PARTS) - 1)]))
    return Fn.select(PARTS.index(name), parts)


def schema_version(parameter: str) -> str:
    """The version of the features' schema that a spelled package's model takes.

    `pipeline_code.contracts.packages.schema_version_of`, by CloudFormation; of `none`, too.
    """
    # What is appended is found where the text says nothing itself.
    told = Fn.split(SCHEMA_MARK, Fn.join("", [parameter, f"{SCHEMA_MARK}{UNTOLD_VERSION}"]))
    return Fn.select(1, told)


def package_variables(package: str) -> dict[str, str]:
    """What a container is told of its package, whatever SageMaker does with the package's own.

    A parameter's value that is older than the variables it spells is an ARN alone: the text is told
    as it is, so that the server of that time goes on by the package's own variables.
    """
    return {"MODEL_PACKAGE": package, "MODEL_PACKAGE_ARN": part(package, "model_package")}
