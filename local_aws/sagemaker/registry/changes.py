"""The changes that a model package allows, and those that it refuses."""

import json
from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.errors import conflict, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.store import Document

_MOST_PROPERTIES = 50
_UPDATABLE = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)


def apply(package: Document, request: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    """Change a package as `UpdateModelPackage` asks.

    Args:
        package: Its document, which is changed.
        request: The request.
        user: Who makes it.

    Raises:
        ServiceError: If it asks for more than a package may have.
    """
    package.update({key: request[key] for key in _UPDATABLE if key in request})
    properties = dict(package.get("CustomerMetadataProperties", {}))
    for key in request.get("CustomerMetadataPropertiesToRemove", []):
        properties.pop(key, None)
    properties.update(request.get("CustomerMetadataProperties", {}))
    if len(properties) > _MOST_PROPERTIES:
        raise validation(
            f"CustomerMetadataProperties must be at most {_MOST_PROPERTIES} for a model package, "
            f"got {len(properties)}; remove some with CustomerMetadataPropertiesToRemove"
        )
    if properties or "CustomerMetadataProperties" in package:
        package["CustomerMetadataProperties"] = properties
    if "ModelCard" in request:
        _change_card(package, request["ModelCard"])
    more = request.get("AdditionalInferenceSpecificationsToAdd", [])
    if more:
        package.setdefault("AdditionalInferenceSpecifications", []).extend(more)
    package["LastModifiedTime"], package["LastModifiedBy"] = now(), dict(user)


def state(package: Mapping[str, Any]) -> tuple[Any, ...]:
    """What SageMaker tells of when it changes."""
    return tuple(
        package.get(key) for key in ("ModelPackageStatus", "ModelApprovalStatus", "ModelLifeCycle")
    )


def check_card(card: Mapping[str, Any]) -> None:
    """Refuse a model card whose content does not follow its schema.

    Raises:
        ServiceError: Naming what is wrong.
    """
    # Reading the schema takes a while, and most servers never see a card.
    from local_aws.sagemaker.registry.model_cards import check_content  # noqa: PLC0415

    if "ModelCardContent" in card:
        check_content(card["ModelCardContent"])


def without_card_content(package: Mapping[str, Any]) -> Document:
    """A package as `IncludedData: MetadataOnly` shows it: of the card's content the risk only."""
    card = package.get("ModelCard")
    if card is None or "ModelCardContent" not in card:
        return dict(package)
    rating = json.loads(card["ModelCardContent"]).get("intended_uses", {}).get("risk_rating")
    kept = {} if rating is None else {"intended_uses": {"risk_rating": rating}}
    return {**package, "ModelCard": {**card, "ModelCardContent": json.dumps(kept)}}


def _change_card(package: Document, card: Mapping[str, Any]) -> None:
    old = package.get("ModelCard", {})
    if "ModelCardContent" in card and old.get("ModelCardStatus") == "Archived":
        raise conflict("Model Card is in Archived state")
    check_card(card)
    package["ModelCard"] = {**old, **card}
