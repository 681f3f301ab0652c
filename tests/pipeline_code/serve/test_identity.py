"""Credentials: renewed ahead of time, in a thread, and kept if that fails."""

import asyncio
import threading
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError

from pipeline_code.serve import identity as identity_module
from pipeline_code.serve.identity import Identity


class Provider:
    """Finds other credentials each time, but for when it fails or finds none."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)
        self.threads: set[int] = set()

    def find(self) -> Any:
        self.threads.add(threading.get_ident())
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def until_current(identity: Identity, access_key: str) -> None:
    async with asyncio.timeout(30):
        while identity.current().access_key != access_key:
            await asyncio.sleep(0.002)


def test_credentials_are_renewed_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_module, "CHECK_SECONDS", 0.001)
    old, new = Credentials("old", "secret"), Credentials("new", "secret", "token")

    async def main() -> None:
        provider = Provider(old, RuntimeError("no metadata service"), None, new)
        identity = Identity(provider.find)
        await identity.start()
        assert identity.current().access_key == "old"
        await until_current(identity, "new")
        assert identity.current().token == "token"
        identity.close()
        assert threading.get_ident() not in provider.threads

    asyncio.run(main())


def test_credentials_may_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_module, "CHECK_SECONDS", 0.05)

    async def main() -> None:
        identity = Identity(Provider(None, Credentials("late", "secret")).find)
        await identity.start()
        with pytest.raises(NoCredentialsError):
            identity.current()
        async with asyncio.timeout(30):
            while identity._current is None:
                await asyncio.sleep(0.002)
        assert identity.current().access_key == "late"
        identity.close()

    asyncio.run(main())
