"""CloudFormation's conditions, decided before it does: what a template would have, and not."""

from collections.abc import Mapping
from typing import Any

from operations.errors import OperationError

__all__ = ["Conditions"]

_SSM = "AWS::SSM::Parameter::Value<String>"


class Conditions:
    """The conditions of one template, with the parameters' defaults and Parameter Store's values.

    Conditions(template, ssm).hold_for(template["Resources"]["Endpoint"])
    """

    def __init__(self, template: Mapping[str, Any], ssm: Any) -> None:
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._parameters: Mapping[str, Any] = template.get("Parameters", {})
        self._ssm = ssm

    def hold_for(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource would be there.

        Raises:
            OperationError: If its condition uses a function that is not known here.
        """
        name = resource.get("Condition")
        return name is None or self._holds(self._conditions[name])

    def _holds(self, expression: Mapping[str, Any]) -> bool:
        ((function, operands),) = expression.items()
        match function:
            case "Condition":
                return self._holds(self._conditions[operands])
            case "Fn::Not":
                return not self._holds(operands[0])
            case "Fn::And":
                return all(self._holds(each) for each in operands)
            case "Fn::Or":
                return any(self._holds(each) for each in operands)
            case "Fn::Equals":
                return self._value(operands[0]) == self._value(operands[1])
        raise OperationError(
            f"a condition must be of Fn::And, Or, Not and Equals, got {function}; "
            "teach it to operations/deployment/stack_conditions.py"
        )

    def _value(self, expression: Any) -> str:
        if not isinstance(expression, Mapping):
            return str(expression)
        ((function, operand),) = expression.items()
        match function:
            case "Ref" if operand in self._parameters:
                return self._parameter(self._parameters[operand])
            case "Fn::Join":
                return str(operand[0]).join(self._value(each) for each in operand[1])
        raise OperationError(
            f"a condition must compare parameters and literals, got {function}; "
            "teach it to operations/deployment/stack_conditions.py"
        )

    def _parameter(self, parameter: Mapping[str, Any]) -> str:
        value = str(parameter.get("Default", ""))
        if parameter["Type"] != _SSM:
            return value
        found = self._ssm.get_parameters(Names=[value])["Parameters"]
        # CloudFormation refuses a deployment whose parameter is absent.
        return str(found[0]["Value"]) if found else ""
