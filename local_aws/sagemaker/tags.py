"""Tags of every resource, by its ARN."""

from typing import Any

from local_aws.sagemaker import arns
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import validation

KIND = "tags"
_MOST = 50  # SageMaker's limit for one resource


class Tags:
    """AddTags, ListTags and DeleteTags; what creating operations are given is kept too."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    def add_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """Add tags, or change their values."""
        self._require(request["ResourceArn"])
        return {"Tags": self.keep(request["ResourceArn"], request["Tags"])}

    def list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """All tags of a resource."""
        self._require(request["ResourceArn"])
        document = self._store.get(KIND, request["ResourceArn"])
        return {"Tags": _as_list(document)}

    def delete_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove tags by key."""
        self._require(request["ResourceArn"])

        def change(document: dict[str, str]) -> None:
            for key in request["TagKeys"]:
                document.pop(key, None)

        self._store.update(KIND, request["ResourceArn"], change)
        return {}

    def _require(self, resource_arn: str) -> None:
        """Refuse the ARN of nothing, capitals and all: "An error occurred (ValidationException)
        when calling the ListTags operation: Resource does not exist." (boto3 #4606).

        Raises:
            ServiceError: As SageMaker does.
        """
        kind, name = arns.kind_of(resource_arn), arns.name_of(resource_arn)
        document = self._store.get(kind, name)
        if document is None or resource_arn not in document.values():
            raise validation("Resource does not exist.")

    def keep(self, resource_arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
        """Add tags to a resource and give all it has then."""
        with self._store.transaction():
            document = self._store.get(KIND, resource_arn) or {}
            document.update({tag["Key"]: tag["Value"] for tag in tags})
            if len(document) > _MOST:
                raise validation(
                    f"Tags must be at most {_MOST} for a resource, got {len(document)}; "
                    "delete some first"
                )
            self._store.put(KIND, resource_arn, document)
        return _as_list(document)

    def forget(self, resource_arn: str) -> None:
        """Drop the tags of a resource that is gone."""
        self._store.delete(KIND, resource_arn)


def _as_list(document: dict[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (document or {}).items()]
