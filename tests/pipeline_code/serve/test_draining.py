"""SIGTERM under load: what the server began to answer is answered, and then it is gone."""

import http.client
import json
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .conftest import Server, Store, store_environment, transaction

CALLERS = 6
BODY = json.dumps(transaction()).encode()
HEADERS = {"content-type": "application/json"}


def ask_until_gone(server: Server, answered: list[int], warm: threading.Event) -> None:
    """Asks on one connection after the other until none can be made any more."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    while True:
        try:
            connection.request("POST", "/invocations", BODY, HEADERS)
            response = connection.getresponse()
        except ConnectionRefusedError:
            return
        except (http.client.HTTPException, OSError):
            connection.close()  # the next try opens another, or finds that there is nobody
            continue
        assert response.status == 200
        assert json.loads(response.read())["transaction_id"] == 1_000_001
        answered.append(1)
        if len(answered) > 300:
            warm.set()


def test_every_request_that_was_begun_is_answered(
    start: Callable[..., Server], store: Store
) -> None:
    environment = store_environment(store) | {
        "METRIC_NAMESPACE": "Fraudloop/test",
        "ENDPOINT_NAME": "fraud",
        "SERVE_WORKERS": "2",
        "SERVE_STATE_CACHE_SECONDS": "0.01",  # some requests wait for the store, others do not
    }
    running = start(environment).wait_ready()
    answered: list[int] = []
    warm = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(ask_until_gone, running, answered, warm) for _ in range(CALLERS)]
        assert warm.wait(30)
        running.process.send_signal(signal.SIGTERM)
        for caller in callers:
            caller.result(60)
    assert running.process.wait(30) == 0
    lines = running.log.read_text().splitlines()
    counted = sum(json.loads(line)["Answers"] for line in lines if '"_aws"' in line)
    assert counted == len(answered)
