"""The Model Registry: groups of model packages, their versions and their approval."""

from typing import Any

from local_aws.sagemaker import arns, queries
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError, conflict, validation
from local_aws.sagemaker.events import iso, now
from local_aws.sagemaker.registry import changes as registry_changes
from local_aws.sagemaker.store import Document

_GROUP = "model-package-group"
_PACKAGE = "model-package"
_TOKEN = "model-package-token"  # noqa: S105 - the kind of a record, not a secret
_SUMMARY = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)


class Registry:
    """CreateModelPackageGroup, CreateModelPackage and their families."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def create_model_package_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make an empty group."""
        name = request["ModelPackageGroupName"]
        arn = self._context.arn(_GROUP, name)
        document = {
            **{key: value for key, value in request.items() if key != "Tags"},
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": now(),
            "CreatedBy": self._context.user,
            # Numbers are not given again after a deletion, so the group counts.
            "LastVersion": 0,
        }
        if not self._store.add(_GROUP, name, document):
            raise validation(f"Model Package Group already exists: {arn}")
        return {"ModelPackageGroupArn": arn}

    def describe_model_package_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a group."""
        return self._group(request["ModelPackageGroupName"])

    def list_model_package_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        """Groups, oldest first as AWS documents."""
        groups = queries.select(
            self._store.list(_GROUP),
            request,
            name="ModelPackageGroupName",
            default_order="Ascending",
        )
        return queries.page(groups, request, "ModelPackageGroupSummaryList")

    def delete_model_package_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove a group that holds no package."""
        with self._store.transaction():
            name = self._group(request["ModelPackageGroupName"])["ModelPackageGroupName"]
            count = len(self._store.list(_PACKAGE, f"{name}/"))
            if count > 0:
                raise conflict(
                    f"Model Package Group '{name}' cannot be deleted while it holds {count} model "
                    "packages; delete them first"
                )
            self._store.delete(_GROUP, name)
        return {}

    def create_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        """Register a version of a group, or a package of its own."""
        token = request.get("ClientToken")
        with self._store.transaction():
            if token is not None and (known := self._store.get(_TOKEN, token)):
                return {"ModelPackageArn": known["ModelPackageArn"]}
            document = self._new_package(request)
            if not self._store.add(_PACKAGE, arns.name_of(document["ModelPackageArn"]), document):
                raise conflict(f"Model Package already exists: {document['ModelPackageArn']}")
            if token is not None:
                self._store.put(_TOKEN, token, {"ModelPackageArn": document["ModelPackageArn"]})
        self._emit(document)
        return {"ModelPackageArn": document["ModelPackageArn"]}

    def describe_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a package, by its ARN or name."""
        package = self._package(request["ModelPackageName"])
        if request.get("IncludedData") == "MetadataOnly":
            return registry_changes.without_card_content(package)
        return package

    def batch_describe_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        """Several packages by ARN, with an error for each that does not exist."""
        found: dict[str, Any] = {}
        failed: dict[str, Any] = {}
        for arn in request["ModelPackageArnList"]:
            try:
                found[arn] = self._package(arn)
            except ServiceError as error:
                failed[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": failed}

    def list_model_packages(self, request: dict[str, Any]) -> dict[str, Any]:
        """Packages of a group, or those without one; oldest first as AWS documents."""
        group = request.get("ModelPackageGroupName")
        if group is not None:
            prefix = f"{self._group(group)['ModelPackageGroupName']}/"
            packages = self._store.list(_PACKAGE, prefix)
        else:
            wanted = request.get("ModelPackageType", "Unversioned")
            packages = [
                package
                for package in self._store.list(_PACKAGE)
                if wanted == "Both" or ("ModelPackageVersion" in package) == (wanted == "Versioned")
            ]
        approval = request.get("ModelApprovalStatus")
        if approval is not None:
            packages = [p for p in packages if p.get("ModelApprovalStatus") == approval]
        chosen = queries.select(
            [{"Label": arns.name_of(p["ModelPackageArn"]), **p} for p in packages],
            request,
            name="Label",
            default_order="Ascending",
        )
        return queries.page(
            chosen,
            request,
            "ModelPackageSummaryList",
            lambda package: {key: package[key] for key in _SUMMARY if key in package},
        )

    def update_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        """Approve or reject a package, or change what else may change."""
        package = self._package(request["ModelPackageArn"])
        arn, before = package["ModelPackageArn"], registry_changes.state(package)
        user = self._context.user
        changed = self._store.update(
            _PACKAGE,
            arns.name_of(arn),
            lambda document: registry_changes.apply(document, request, user),
        )
        # As on AWS, other changes are not events.
        if changed is not None and registry_changes.state(changed) != before:
            self._emit(changed)
        return {"ModelPackageArn": arn}

    def delete_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove a package; its number is not given again."""
        arn = self._package(request["ModelPackageName"])["ModelPackageArn"]
        self._store.delete(_PACKAGE, arns.name_of(arn))
        return {}

    def _new_package(self, request: dict[str, Any]) -> Document:
        group, name = request.get("ModelPackageGroupName"), request.get("ModelPackageName")
        if (group is None) == (name is None):
            raise validation(
                "ModelPackageName or ModelPackageGroupName must be given, and not both; "
                "give a group to register a version"
            )
        if group is not None and request.get("Tags"):
            # "In this case, you cannot supply a tag argument" (API reference, CreateModelPackage).
            raise validation("Tags must be absent with ModelPackageGroupName; tag the group")
        registry_changes.check_card(request.get("ModelCard", {}))
        document = {
            **{k: v for k, v in request.items() if k not in {"Tags", "ClientToken"}},
            "CreationTime": now(),
            "CreatedBy": self._context.user,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": request.get("CertifyForMarketplace", False),
        }
        if group is None:
            return {**document, "ModelPackageArn": self._context.arn(_PACKAGE, str(name))}
        group_name = self._group(group)["ModelPackageGroupName"]

        def count(record: Document) -> None:
            record["LastVersion"] += 1

        counted = self._store.update(_GROUP, group_name, count) or {}
        version = counted["LastVersion"]
        return {
            **document,
            "ModelPackageGroupName": group_name,
            "ModelPackageVersion": version,
            "ModelPackageArn": self._context.arn(_PACKAGE, f"{group_name}/{version}"),
            "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
        }

    def _group(self, name_or_arn: str) -> Document:
        name = arns.name_of(name_or_arn)
        document = self._store.get(_GROUP, name)
        if document is None:
            raise validation(f"Model Package Group '{name}' does not exist")
        return document

    def _package(self, name_or_arn: str) -> Document:
        document = self._store.get(_PACKAGE, arns.name_of(name_or_arn))
        if document is None:
            raise validation(f"ModelPackage {name_or_arn} does not exist.")
        return document

    def _emit(self, package: Document) -> None:
        detail = {
            key: iso(value) if key.endswith("Time") else value
            for key, value in package.items()
            if key not in {"CreatedBy", "LastModifiedBy", "ModelCard"}
        }
        arn = package["ModelPackageArn"]
        # Consumers that know packages by "group/version" find it in ModelPackageName.
        detail.setdefault("ModelPackageName", arns.name_of(arn))
        self._context.emit_event("SageMaker Model Package State Change", detail, [arn])
