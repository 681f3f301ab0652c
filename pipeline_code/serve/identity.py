"""Credentials to sign with, renewed where no request waits for it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

__all__ = ["Identity"]

LOGGER = logging.getLogger(__name__)

# botocore renews credentials from a quarter of an hour before they expire.
CHECK_SECONDS = 60.0


class Identity:
    """The credentials of a boto3 session, for use on one event loop.

    To renew them is to ask another service, and to wait for it: it happens in a thread, ahead of
    time. Should it fail, the ones there are go on being used, and it is retried.

    Args:
        find: `boto3.Session().get_credentials`.
    """

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find
        self._current: ReadOnlyCredentials | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Finds credentials, and keeps them fresh from now on."""
        await self._renew()
        self._renewing = asyncio.create_task(self._keep_fresh())

    def close(self) -> None:
        """Renews no more."""
        if self._renewing is not None:
            self._renewing.cancel()

    def current(self) -> ReadOnlyCredentials:
        """What to sign with.

        Raises:
            NoCredentialsError: None were found yet.
        """
        if self._current is None:
            raise NoCredentialsError()
        return self._current

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._renew()

    async def _renew(self) -> None:
        try:
            self._current = await asyncio.to_thread(self._frozen) or self._current
        except Exception as error:  # of any provider of credentials, plugins among them
            LOGGER.warning("credentials not renewed", extra={"reason": type(error).__name__})

    def _frozen(self) -> ReadOnlyCredentials | None:
        """Asks botocore, in a thread."""
        credentials = self._find()
        return None if credentials is None else credentials.get_frozen_credentials()
