"""Clients with a delivery stream's role, and what is told of errors as that role."""

import json
import logging
import time
from typing import Any

from local_aws.firehose.settings import DeliverySettings
from local_aws.policies.passed_roles import firehose_service
from local_aws.sagemaker.context import LocalSession
from local_aws.settings import REGION

logger = logging.getLogger("fraudloop.firehose")

CREDENTIALS_SECONDS = 1800.0


class RoleSession:
    """Acts as the role of one delivery stream.

    Args:
        endpoint_url: Where the embedded AWS listens.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._session: tuple[float, str, Any] = (0.0, "", None)
        self._clients: dict[str, Any] = {}
        self._logged = ""

    def client(self, settings: DeliverySettings, service: str) -> Any:
        """A client with the role's credentials.

        Raises:
            RoleNotAssumableError: If there is no such role or it does not trust Firehose.
        """
        made, role, session = self._session
        if role != settings.role or time.monotonic() - made > CREDENTIALS_SECONDS:
            credentials = firehose_service().assume(settings.role, "firehose")
            session = LocalSession(self._endpoint_url, REGION, credentials)
            self._session = (time.monotonic(), settings.role, session)
            self._clients = {}
        if service not in self._clients:
            self._clients[service] = session.client(service)
        return self._clients[service]

    def log_error(self, settings: DeliverySettings, code: str, message: str) -> None:
        """Tell an error in the delivery stream's log, once until another one comes.

        Firehose Developer Guide, "Monitoring ... Using CloudWatch Logs"; a role that
        may not log is told nothing.
        """
        if settings.log is None or message == self._logged:
            return
        document = {
            "deliveryStreamARN": settings.arn,
            "destination": f"arn:aws:s3:::{settings.bucket}",
            "deliveryStreamVersionId": settings.version,
            "message": message,
            "errorCode": code,
        }
        event = {"timestamp": int(time.time() * 1000), "message": json.dumps(document)}
        group, stream = settings.log
        try:
            self.client(settings, "logs").put_log_events(
                logGroupName=group, logStreamName=stream, logEvents=[event]
            )
            self._logged = message
        except Exception as error:
            logger.warning("%s cannot log: %s", settings.name, error)
