"""S3: documents that a request's body holds (S3 API Reference, of each operation's errors)."""

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

from local_aws.adapter.operations import Refusal
from local_aws.adapter.requests import Request

_MOST_TAGS = {"PutBucketTagging": 50, "PutObjectTagging": 10}
_ACTIONS = {
    *("AbortIncompleteMultipartUpload", "Expiration", "NoncurrentVersionExpiration"),
    *("NoncurrentVersionTransition", "Transition"),
}


def refusal(request: Request) -> Refusal | None:
    """Why S3 would refuse a request for its body, storage class or token."""
    # "The storage class you specified is not valid" is for unknown ones; AWS has these.
    if request.headers.get("x-amz-storage-class", "STANDARD") != "STANDARD":
        words = "storage classes other than STANDARD are not supported by the embedded AWS"
        return Refusal("NotImplemented", words, 501)
    check = _CHECKS.get(str(request.operation))
    return None if check is None else next(check(request), None)


def _malformed() -> Refusal:
    words = (
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
    return Refusal("MalformedXML", words, 400)


def _document(request: Request) -> ElementTree.Element | None:
    """A body without the namespaces of its elements; None if it is no XML."""
    try:
        # Of this machine's own clients, and ministack parses it likewise.
        return ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", request.body))  # noqa: S314
    except ElementTree.ParseError:
        return None


def _listing(request: Request) -> Iterator[Refusal]:
    token = request.parameters.get("continuation-token")
    if token is None:
        return
    try:
        known = bool(base64.b64decode(str(token), validate=True).decode())
    except ValueError:
        known = False
    if not known:
        words = "The continuation token provided is incorrect"
        yield Refusal("InvalidArgument", words, 400)


def _needing(element: str) -> Callable[[Request], Iterator[Refusal]]:
    """A check that a body has an element."""

    def check(request: Request) -> Iterator[Refusal]:
        found = _document(request)
        if found is None or found.find(f".//{element}") is None:
            yield _malformed()

    return check


def _public_access(request: Request) -> Iterator[Refusal]:
    found = _document(request)
    if found is not None and not len(found):
        yield Refusal("InvalidRequest", "Must specify at least one configuration.", 400)


def _tags(request: Request) -> Iterator[Refusal]:
    found = _document(request)
    pairs = [] if found is None else found.findall(".//Tag")
    keys = [each.findtext("Key", "") for each in pairs]
    # Of those that CloudFormation gave, AWS takes what is there already; what a stack left and
    # what it gave cannot be told apart here, so that they are let pass.
    system = [key for key in keys if key.lower().startswith("aws:")]
    if any(not key.startswith("aws:cloudformation:") for key in system):
        words = "System tags cannot be added/updated by requester"
        yield Refusal("InvalidTag", words, 400)
    if any(count > 1 for count in Counter(keys).values()):
        yield Refusal("InvalidTag", "Cannot provide multiple Tags with the same key", 400)
    if any(not 0 < len(key) <= 128 for key in keys):  # noqa: PLR2004
        yield Refusal("InvalidTag", "The TagKey you have provided is invalid", 400)
    if any(len(each.findtext("Value", "")) > 256 for each in pairs):  # noqa: PLR2004
        yield Refusal("InvalidTag", "The TagValue you have provided is invalid", 400)
    most = _MOST_TAGS[str(request.operation)]
    if len(pairs) > most:
        noun = "Object" if request.operation == "PutObjectTagging" else "Bucket"
        yield Refusal("BadRequest", f"{noun} tags cannot be greater than {most}", 400)


def _lifecycle(request: Request) -> Iterator[Refusal]:
    found = _document(request)
    rules = [] if found is None else found.findall("Rule")
    if not rules:
        yield _malformed()
    for rule in rules:
        if not _scoped(rule) or not all(_timed(each) for each in rule):
            yield _malformed()
        if not {each.tag for each in rule} & _ACTIONS:
            words = "At least one action needs to be specified in a rule"
            yield Refusal("InvalidRequest", words, 400)


def _scoped(rule: ElementTree.Element) -> bool:
    """Either `Filter`, which has one child at most, or the older `Prefix`."""
    scope = rule.find("Filter")
    if (scope is None) == (rule.find("Prefix") is None):
        return False
    return scope is None or len(scope) <= 1


def _timed(action: ElementTree.Element) -> bool:
    """An action has what S3's schema demands of it."""
    has = {each.tag for each in action}
    if action.tag == "Expiration":
        return len(has & {"Date", "Days", "ExpiredObjectDeleteMarker"}) == 1
    if action.tag == "Transition":
        return "StorageClass" in has and len(has & {"Date", "Days"}) == 1
    if action.tag == "NoncurrentVersionTransition":
        return {"NoncurrentDays", "StorageClass"} <= has
    if action.tag == "NoncurrentVersionExpiration":
        return "NoncurrentDays" in has
    return True


_CHECKS = {
    "CompleteMultipartUpload": _needing("Part"),
    "DeleteObjects": _needing("Key"),
    "ListObjectsV2": _listing,
    "PutBucketLifecycleConfiguration": _lifecycle,
    "PutBucketTagging": _tags,
    "PutObjectTagging": _tags,
    "PutPublicAccessBlock": _public_access,
}
