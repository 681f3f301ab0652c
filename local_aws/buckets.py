"""S3 as ministack leaves it out: AWS::S3::Bucket's properties, and refusals of absent objects."""

from typing import Any

from local_aws.adapter import buckets

Properties = dict[str, Any]


def install() -> None:
    """Make buckets of templates as complete as those of S3's API, and hide what is absent."""
    buckets.hide_what_is_absent()
    buckets.ask_for_deletions()
    buckets.answer_as_documented()
    buckets.wrap_bucket_resource(apply)


def apply(name: str, props: Properties) -> None:
    """Configure a bucket as its template says.

    Args:
        name: The bucket.
        props: The properties of AWS::S3::Bucket.
    """
    configurations = {
        "PutBucketTagging": _tagging(props),
        "PutBucketEncryption": _encryption(props),
        "PutBucketLifecycleConfiguration": _lifecycle(props),
        "PutBucketLogging": _logging(props),
        "PutBucketOwnershipControls": _ownership(props),
    }
    for operation, parameters in configurations.items():
        if parameters is not None:
            buckets.put_bucket_configuration(name, operation, parameters)


def _tagging(props: Properties) -> Properties | None:
    tags = [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in props.get("Tags") or ()]
    return {"Tagging": {"TagSet": tags}} if tags else None


def _encryption(props: Properties) -> Properties | None:
    configured = props.get("BucketEncryption")
    if not configured:
        return None
    rules = []
    for rule in configured["ServerSideEncryptionConfiguration"]:
        default = rule["ServerSideEncryptionByDefault"]
        rules.append(
            {
                "ApplyServerSideEncryptionByDefault": default,
                "BucketKeyEnabled": _flag(rule.get("BucketKeyEnabled", False)),
            }
        )
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _logging(props: Properties) -> Properties | None:
    configured = props.get("LoggingConfiguration")
    if not configured:
        return None
    target = {
        "TargetBucket": configured.get("DestinationBucketName", ""),
        "TargetPrefix": configured.get("LogFilePrefix", ""),
    }
    return {"BucketLoggingStatus": {"LoggingEnabled": target}}


def _ownership(props: Properties) -> Properties | None:
    configured = props.get("OwnershipControls")
    return {"OwnershipControls": {"Rules": configured["Rules"]}} if configured else None


def _lifecycle(props: Properties) -> Properties | None:
    configured = props.get("LifecycleConfiguration")
    if not configured:
        return None
    rules = [_lifecycle_rule(rule) for rule in configured["Rules"]]
    return {"LifecycleConfiguration": {"Rules": rules}}


def _lifecycle_rule(rule: Properties) -> Properties:
    """CloudFormation flattens what S3's API nests."""
    answer: Properties = {
        "Status": rule["Status"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
    }
    if "Id" in rule:
        answer["ID"] = rule["Id"]
    expiration = {
        name: value
        for name, value in (
            ("Days", _number(rule.get("ExpirationInDays"))),
            ("Date", rule.get("ExpirationDate")),
            ("ExpiredObjectDeleteMarker", _flag(rule.get("ExpiredObjectDeleteMarker"))),
        )
        if value is not None
    }
    if expiration:
        answer["Expiration"] = expiration
    if "AbortIncompleteMultipartUpload" in rule:
        days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        answer["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": int(days)}
    if "NoncurrentVersionExpiration" in rule:
        kept = rule["NoncurrentVersionExpiration"]
        answer["NoncurrentVersionExpiration"] = {k: int(v) for k, v in kept.items()}
    elif "NoncurrentVersionExpirationInDays" in rule:
        days = rule["NoncurrentVersionExpirationInDays"]
        answer["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(days)}
    if "Transitions" in rule:
        answer["Transitions"] = [
            {"Days": int(move["TransitionInDays"]), "StorageClass": move["StorageClass"]}
            for move in rule["Transitions"]
        ]
    if "NoncurrentVersionTransitions" in rule:
        answer["NoncurrentVersionTransitions"] = [
            {"NoncurrentDays": int(move["TransitionInDays"]), "StorageClass": move["StorageClass"]}
            for move in rule["NoncurrentVersionTransitions"]
        ]
    return answer


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _flag(value: Any) -> bool | None:
    """A template's boolean, which may come as text."""
    return None if value is None else str(value).lower() == "true"
