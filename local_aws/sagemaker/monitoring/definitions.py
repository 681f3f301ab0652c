"""Job definitions of data quality monitoring, kept apart from the schedules that use them."""

from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.containers import check_image
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import in_use, not_found, unsupported, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.monitoring.windows import refuse_offsets
from local_aws.sagemaker.queries import page, select

KIND = "data-quality-job-definition"
SCHEDULE = "monitoring-schedule"
_TYPES = ("DataQuality",)


class JobDefinitions:
    """CreateDataQualityJobDefinition and its siblings."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create_data_quality_job_definition(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a definition that could run."""
        name = request["JobDefinitionName"]
        check_definition(self._context, inline(request))
        arn = self._context.arn(KIND, name)
        document = {key: value for key, value in request.items() if key != "Tags"}
        document |= {"JobDefinitionArn": arn, "CreationTime": now()}
        if not self._context.store.add(KIND, name, document):
            raise in_use(f"Job definition {name} already exists; choose a different name.")
        return {"JobDefinitionArn": arn}

    def describe_data_quality_job_definition(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a definition."""
        return find_definition(self._context, request["JobDefinitionName"])

    def list_data_quality_job_definitions(self, request: dict[str, Any]) -> dict[str, Any]:
        """Summaries of definitions."""
        found = select(self._context.store.list(KIND), request, name="JobDefinitionName")
        return page(found, request, "JobDefinitionSummaries", _summary)

    def delete_data_quality_job_definition(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a definition that no schedule uses."""
        name = request["JobDefinitionName"]
        find_definition(self._context, name)
        for schedule in self._context.store.list(SCHEDULE):
            config = schedule["MonitoringScheduleConfig"]
            if config.get("MonitoringJobDefinitionName") == name:
                raise in_use(
                    f"Job definition {name} is used by the monitoring schedule "
                    f"{schedule['MonitoringScheduleName']}; delete that first."
                )
        self._context.store.delete(KIND, name)
        return {}


def find_definition(context: Context, name: str) -> dict[str, Any]:
    """A definition's document.

    Raises:
        ServiceError: If there is none.
    """
    document = context.store.get(KIND, name)
    if document is None:
        raise not_found("job definition", name)
    return document


def definition_of(context: Context, config: Mapping[str, Any]) -> dict[str, Any]:
    """The job definition of a schedule, whether it is inline or named.

    Raises:
        ServiceError: If it has neither, or one that cannot run here.
    """
    kind = config.get("MonitoringType", "DataQuality")
    if kind not in _TYPES:
        raise unsupported(f"MonitoringType {kind}", f"it has {', '.join(_TYPES)}")
    if "MonitoringJobDefinition" in config:
        definition: dict[str, Any] = config["MonitoringJobDefinition"]
    elif "MonitoringJobDefinitionName" in config:
        definition = inline(find_definition(context, config["MonitoringJobDefinitionName"]))
    else:
        raise validation("MonitoringScheduleConfig must have a MonitoringJobDefinition or its name")
    check_definition(context, definition)
    return definition


def inline(document: Mapping[str, Any]) -> dict[str, Any]:
    """A named definition in the form of an inline one."""
    application = {**document["DataQualityAppSpecification"]}
    definition = {
        "Environment": application.pop("Environment", {}),
        "MonitoringAppSpecification": application,
        "MonitoringInputs": [document["DataQualityJobInput"]],
        "MonitoringOutputConfig": document["DataQualityJobOutputConfig"],
        "MonitoringResources": document["JobResources"],
        "RoleArn": document["RoleArn"],
    }
    if "DataQualityBaselineConfig" in document:
        definition["BaselineConfig"] = document["DataQualityBaselineConfig"]
    for member in ("NetworkConfig", "StoppingCondition"):
        if member in document:
            definition[member] = document[member]
    return definition


def check_definition(context: Context, definition: Mapping[str, Any]) -> None:
    """Refuse a definition that could not run here."""
    specification = definition["MonitoringAppSpecification"]
    check_image(context, specification["ImageUri"])
    for member in ("RecordPreprocessorSourceUri", "PostAnalyticsProcessorSourceUri"):
        if member in specification:
            raise unsupported(member, "the image does all of the analysis")
    source = definition["MonitoringInputs"][0].get("EndpointInput")
    if source is None:
        raise unsupported("a monitoring input other than EndpointInput", "name an endpoint")
    refuse_offsets(source)


def _summary(document: Mapping[str, Any]) -> dict[str, Any]:
    source = document["DataQualityJobInput"]["EndpointInput"]
    return {
        "MonitoringJobDefinitionName": document["JobDefinitionName"],
        "MonitoringJobDefinitionArn": document["JobDefinitionArn"],
        "CreationTime": document["CreationTime"],
        "EndpointName": source["EndpointName"],
    }
