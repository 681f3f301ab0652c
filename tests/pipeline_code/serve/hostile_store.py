"""Online stores that misbehave, and a reader that asks them."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
)

from pipeline_code.features.definitions import CUSTOMER
from pipeline_code.features.store.online_store import StoreError
from pipeline_code.features.store.records import Key
from pipeline_code.serve.store import StoreReader

from .conftest import GROUPS, reader

PATIENT = 30.0
ONE, TWO = Key(CUSTOMER, 1), Key(CUSTOMER, 2)
VALUES = [{"FeatureName": "state", "ValueAsString": "text"}]
# What a store does with one connection's request; it hangs up afterwards if that returns False.
Behaviour = Callable[[asyncio.StreamWriter], Awaitable[bool | None]]


def record(key: Key, values: Any = VALUES) -> dict[str, Any]:
    return {
        "FeatureGroupName": GROUPS["customer"],
        "RecordIdentifierValueAsString": str(key.id),
        "Record": values,
    }


ODD_VALUES: tuple[Any, ...] = (None, 5, [None], [{}], [{"FeatureName": 5}])


def found(*records: Any, **rest: Any) -> dict[str, Any]:
    return {"Records": list(records), "Errors": [], "UnprocessedIdentifiers": [], **rest}


def says(document: Any, status: int = 200) -> Behaviour:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d Any\r\ncontent-length: %d\r\n\r\n" % (status, len(content)))
        writer.write(content)

    return behave


def sends(raw: bytes) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        return False

    return behave


async def resets(writer: asyncio.StreamWriter) -> bool:
    writer.transport.abort()
    return False


async def drips(writer: asyncio.StreamWriter) -> bool:
    """Never silent for long, and never done."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def floods(writer: asyncio.StreamWriter) -> bool:
    """An answer without a length and without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        await writer.drain()


# To either way of asking for one record.
GOOD = says(found(record(ONE), Record=VALUES))


class Hostile:
    """A store that behaves as told, one request after another, and at last always the same."""

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self._behaviours = list(behaviours)
        self.asked: list[Any] = []
        self.connections = 0

    async def serve(self, incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await incoming.readuntil(b"\r\n\r\n"):
                method, target, _ = head.decode().split(" ", 2)
                if method == "GET":
                    self.asked.append(target)
                else:
                    assert (method, target) == ("POST", "/BatchGetRecord")
                    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                    body = json.loads(await incoming.readexactly(length))
                    self.asked.append(body["Identifiers"])
                later = len(self._behaviours) > 1
                behave = self._behaviours.pop(0) if later else self._behaviours[0]
                if await behave(writer) is False:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the reader hung up
        finally:
            writer.close()


def ask(
    *behaviours: Behaviour,
    keys: Sequence[Key] = (ONE,),
    work: Callable[[StoreReader], Awaitable[Any]] | None = None,
    secure: ssl.SSLContext | None = None,
    late: bool = False,
    **options: Any,
) -> tuple[Any, Hostile]:
    """What the reader makes of a store: its answer or its failure."""
    hostile = Hostile(behaviours)

    async def main() -> Any:
        server = await asyncio.start_server(hostile.serve, "127.0.0.1", ssl=secure)
        scheme = "https" if secure else "http"
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        store = reader(url, **{"timeout_seconds": PATIENT} | options)
        await store.start()
        until = asyncio.get_running_loop().time() + (0 if late else PATIENT)
        try:
            return await (work(store) if work else store.read(keys, until))
        except (BotoCoreError, ClientError, StoreError) as error:
            return error
        finally:
            await store.close()
            server.close()

    return asyncio.run(main()), hostile
