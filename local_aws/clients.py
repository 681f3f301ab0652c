"""boto3 sessions that talk to an embedded AWS, whatever the environment and profiles say."""

import functools
import os
from typing import Any

import boto3
import botocore.session

# botocore's own variables: name in the configuration file, in the environment, default, conversion.
_WITHOUT_PROFILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def endpoint_session(connection: dict[str, Any]) -> boto3.Session:
    """A session of a connection document, as `EmbeddedAws.connection` gives it."""
    session = boto3.Session(
        aws_access_key_id=connection["access_key_id"],
        aws_secret_access_key=connection["secret_access_key"],
        region_name=connection["region"],
        botocore_session=botocore.session.Session(session_vars=_WITHOUT_PROFILES),
    )
    session.client = functools.partial(session.client, endpoint_url=connection["endpoint_url"])
    session.resource = functools.partial(session.resource, endpoint_url=connection["endpoint_url"])
    return session
