"""What registering a model package takes, and listing those of a group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from operations.smoke.probes.probe import Seen, as_role, asks, refusal
from pipeline_code.contracts.serving import CSV, JSON

if TYPE_CHECKING:
    from operations.smoke.run import Run

# As `pipeline_code.evaluate.card` writes it; a test compares them.
CARD = Path(__file__).parents[1] / "card.json"


def package_request(run: Run, **more: Any) -> dict[str, Any]:
    """The request of an approved package of the run's group, like the training pipeline's."""
    container = {
        "Image": run.serving_image,
        "ModelDataUrl": f"s3://{run.bucket}/model.tar.gz",
        "Environment": {"PYTHONPATH": PYTHON_PATH, "SMOKE_PACKAGE": "1"},
    }
    types = [CSV, JSON]
    return {
        "ModelPackageGroupName": run.name,
        "ModelApprovalStatus": "Approved",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": types,
            "SupportedResponseMIMETypes": types,
            **more,
        },
    }


# Where SageMaker unpacks a model; the other one is for containers that are plain processes.
PYTHON_PATH = "/opt/ml/model:model"


@asks("card-content")
def cards(run: Run) -> Iterator[Seen]:
    """A package with a card of the content that the training pipeline registers."""
    content = CARD.read_text(encoding="utf-8").strip()
    card = {"ModelCardContent": content, "ModelCardStatus": "PendingReview"}
    request = package_request(run) | {"ModelCard": card}
    why = refusal(lambda: run.client("sagemaker").create_model_package(**request), "card")
    reading = "taken" if why is None else "refused"
    yield Seen(question="card-content", reading=reading, detail=why or "")


@asks("packages-read")
def registering(run: Run) -> Iterator[Seen]:
    """A package by a role that may register it and pull its image, but not read its artifact."""
    sagemaker = as_role(run, "RegisteringCaller", "sagemaker")
    request, reasons = package_request(run), [""]

    def registered() -> bool:
        try:
            sagemaker.create_model_package(**request)
        except ClientError as error:
            reasons.append(str(error))
            return False
        return True

    reading = "not-needed" if run.seen(registered, 60) else "needed"
    yield Seen(question="packages-read", reading=reading, detail=reasons[-1])


@asks("package-list")
def listing(run: Run) -> Iterator[Seen]:
    """Lists by a role that may list the group's packages, and by one that may list the group."""
    may = {
        kind: run.seen(_lists(run, role), 60)
        for kind, role in (("packages", "PackagesCaller"), ("group", "GroupCaller"))
    }
    reading = next((kind for kind, allowed in may.items() if allowed), "both")
    yield Seen(question="package-list", reading=reading)


def _lists(run: Run, role: str) -> Any:
    sagemaker = as_role(run, role, "sagemaker")

    def listed() -> bool:
        try:
            sagemaker.list_model_packages(ModelPackageGroupName=run.name)
        except ClientError as error:
            if "AccessDenied" not in error.response["Error"]["Code"]:
                raise
            return False
        return True

    return listed
