"""What an examination says when AWS does not tell."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from operations.doctor.checks import Check, Outcome, looked_at


def test_what_was_seen_before_aws_refused_to_tell_counts() -> None:
    refused = Check(subject="name", outcome=Outcome.REFUSED, found="taken", needed="none")

    def look() -> Iterator[Check]:
        yield refused
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")

    first, unknown = looked_at("names", "none that others have", look)
    assert first is refused
    assert (unknown.outcome, unknown.subject) == (Outcome.UNKNOWN, "names")
    assert unknown.advice.endswith("; give the right to read it")
