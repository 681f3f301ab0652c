"""Under which conditions Feature Store and Firehose assume their roles."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from operations.smoke.probes.probe import Seen, asks, refusal
from operations.smoke.run import NotSeenError

if TYPE_CHECKING:
    from operations.smoke.run import Run

# A new role is known everywhere after seconds.
_SPREADING_SECONDS = 60.0
_ASSUME = ("assume", "role")


@asks("feature-group-source")
def feature_groups(run: Run) -> Iterator[Seen]:
    """A group under a role that demands the account, else under one like the project's."""
    if (why := _refused(run, "DemandingGroupRole", _group)) is None:
        yield Seen(question="feature-group-source", reading="named")
    elif (own := _refused(run, "GroupRole", _group)) is None:
        yield Seen(question="feature-group-source", reading="unnamed", detail=why)
    else:
        raise NotSeenError(f"a group is refused under the project's role, too: {own}")


@asks("firehose-source")
def delivery_streams(run: Run) -> Iterator[Seen]:
    """Delivery streams under roles that demand either key, else under one like the project's."""
    external = _refused(run, "ExternalLandingRole", _delivery_stream)
    account = _refused(run, "DemandingLandingRole", _delivery_stream)
    readings = {
        (True, False): "external-id",
        (False, True): "source-account",
        (True, True): "both",
        (False, False): "neither",
    }
    if external and account and (own := _refused(run, "LandingRole", _delivery_stream)):
        raise NotSeenError(f"a delivery stream is refused under the project's role, too: {own}")
    yield Seen(
        question="firehose-source",
        reading=readings[(external is None, account is None)],
        detail=external or account or "",
    )


def _refused(run: Run, role: str, make: Callable[[Run, str, str], str | None]) -> str | None:
    """Why AWS refuses to make something under a role, or None."""
    reasons: list[str] = []
    numbers = itertools.count()

    def made() -> bool:
        name = run.named(f"{role.lower()}-{next(numbers)}")
        why = make(run, name, run.outputs[role])
        reasons.append(why or "")
        return why is None

    return None if run.seen(made, _SPREADING_SECONDS) else reasons[-1]


def _group(run: Run, name: str, role: str) -> str | None:
    sagemaker = run.client("sagemaker")
    features = {"card": "String", "moment": "Fractional"}

    def make() -> None:
        sagemaker.create_feature_group(
            FeatureGroupName=name,
            RecordIdentifierFeatureName="card",
            EventTimeFeatureName="moment",
            FeatureDefinitions=[
                {"FeatureName": feature, "FeatureType": kind} for feature, kind in features.items()
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
            OfflineStoreConfig={
                "S3StorageConfig": {"S3Uri": f"s3://{run.bucket}/offline-store"},
                # It would outlive the group, in a database that is not the run's.
                "DisableGlueTableCreation": True,
            },
            RoleArn=role,
            Tags=run.tags(),
        )

    if (why := refusal(make, *_ASSUME)) is not None:
        return why
    found = _rested(
        run,
        lambda: sagemaker.describe_feature_group(FeatureGroupName=name),
        "FeatureGroupStatus",
        "Creating",
    )
    return None if found["FeatureGroupStatus"] == "Created" else str(found.get("FailureReason"))


def _delivery_stream(run: Run, name: str, role: str) -> str | None:
    firehose = run.client("firehose")

    def make() -> None:
        firehose.create_delivery_stream(
            DeliveryStreamName=name,
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration={
                "KinesisStreamARN": run.outputs["Stream"],
                "RoleARN": role,
            },
            ExtendedS3DestinationConfiguration={
                "BucketARN": f"arn:{_partition(run)}:s3:::{run.bucket}",
                "RoleARN": role,
            },
            Tags=run.tags(),
        )

    if (why := refusal(make, *_ASSUME)) is not None:
        return why
    found = _rested(
        run,
        lambda: firehose.describe_delivery_stream(DeliveryStreamName=name)[
            "DeliveryStreamDescription"
        ],
        "DeliveryStreamStatus",
        "CREATING",
    )
    active = found["DeliveryStreamStatus"] == "ACTIVE"
    return None if active else str(found.get("FailureDescription"))


def _rested(
    run: Run, describe: Callable[[], dict[str, Any]], member: str, busy: str
) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = describe()
        return None if found[member] == busy else found

    return run.eventually(look, member)


def _partition(run: Run) -> str:
    return str(run.target.session.get_partition_for_region(run.region))
