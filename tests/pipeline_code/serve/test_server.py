"""The server process: what it answers, over HTTP, with a model and an online store."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline_code.common.model_digest import model_digest
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION
from pipeline_code.train.model import Model

from .conftest import (
    MODEL_VERSION,
    Server,
    Store,
    customer_state,
    store_environment,
    terminal_state,
    transaction,
)


@pytest.fixture
def known(store: Store) -> Iterator[None]:
    """Customer 42 and terminal 77 have a past."""
    store.put(
        "customer",
        42,
        customer_state(
            (1, datetime(2018, 7, 31, 20, 0, tzinfo=UTC), 5_000),
            (2, datetime(2018, 7, 28, 8, 0, tzinfo=UTC), 1_000),
            (3, datetime(2018, 7, 10, 8, 0, tzinfo=UTC), 3_000),
        ),
    )
    matured = datetime(2018, 7, 20, 9, 0, tzinfo=UTC)
    store.put(
        "terminal",
        77,
        terminal_state(
            [(4, matured), (5, matured), (6, matured), (7, matured)],
            [(4, datetime(2018, 7, 27, 9, 0, tzinfo=UTC))],
        ),
    )
    yield
    store.records.clear()


def test_ping_answers_once_the_model_scores(server: Server) -> None:
    answer = server.request("GET", "/ping")
    assert (answer.status, answer.document) == (200, {"status": "ok"})


def test_a_transaction_is_scored_with_its_history(
    server: Server, model: Model, known: None
) -> None:
    answer = server.score(transaction())
    features = answer["features"]
    assert answer["transaction_id"] == 1_000_001
    assert answer["model_version"] == MODEL_VERSION
    assert answer["degraded"] is False
    assert list(features) == list(FEATURE_NAMES)
    assert features["amount_minor"] == 12_345
    assert features["customer_count_1d"] == 2
    assert features["customer_count_7d"] == 3
    assert features["customer_count_30d"] == 4
    assert features["customer_mean_amount_1d"] == (5_000 + 12_345) / 2
    assert features["terminal_count_30d"] == 4
    assert features["terminal_risk_30d"] == 0.25
    vector = [features[name] for name in FEATURE_NAMES]
    assert answer["score"] == float(model.predict([vector])[0])


def test_both_entities_are_read_side_by_side(server: Server, store: Store, known: None) -> None:
    store.proceed.clear()
    with ThreadPoolExecutor() as pool:
        scoring = pool.submit(server.score, transaction())
        while store.calls < 2:  # both are asked for before either is answered
            time.sleep(0.005)
        store.proceed.set()
        assert scoring.result()["degraded"] is False
    assert store.calls == 2


def test_csv_gives_the_score_that_json_gave(server: Server, known: None) -> None:
    answers = [
        server.score(transaction(amount=amount, transaction_id=id_))
        for id_, amount in enumerate(("0", "1.10", "33.3", "99.99", "1234567.89"), start=100)
    ]
    rows = [",".join(repr(a["features"][name]) for name in FEATURE_NAMES) for a in answers]
    for text in ("\n".join(rows), "\n".join(rows) + "\n", "\r\n".join(rows) + "\r\n"):
        batch = server.invoke(text, "text/csv")
        assert batch.status == 200
        assert batch.content_type == "text/csv"
        assert batch.body.decode().split("\n") == [repr(a["score"]) for a in answers]


def test_nobody_known_is_scored_by_defaults_and_said_so(server: Server, store: Store) -> None:
    answer = server.score(transaction(customer_id=999_999, terminal_id=999_999))
    assert answer["degraded_reasons"] == ["customer_unknown", "terminal_unknown"]
    assert answer["features"]["customer_count_30d"] == 1
    assert answer["features"]["terminal_risk_30d"] == 0
    assert 0 <= answer["score"] <= 1


@pytest.mark.parametrize("side", ["customer", "terminal"])
def test_one_unknown_side_is_enough_to_be_degraded(server: Server, known: None, side: str) -> None:
    answer = server.score(transaction(**{f"{side}_id": 1}))
    assert answer["degraded"] is True
    assert answer["degraded_reasons"] == [f"{side}_unknown"]


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_a_failing_store_degrades_the_answer_only(
    server: Server, store: Store, known: None, status: int
) -> None:
    store.status = status
    answer = server.score(transaction())
    assert answer["degraded_reasons"] == ["store_unavailable"]
    assert answer["features"]["customer_count_30d"] == 1
    store.status = 200
    server.wait_undegraded(transaction())


def test_a_damaged_state_degrades_the_answer_only(
    server: Server, store: Store, known: None
) -> None:
    for record in store.records.values():
        record["state"] = "AAAA"
    assert server.score(transaction())["degraded_reasons"] == ["state_unreadable"]
    assert '"reason": "StateError"' in server.log.read_text()


def test_a_store_that_is_gone_degrades_the_answer_only(
    start: Callable[..., Server], store: Store
) -> None:
    nowhere = {"AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME": "http://127.0.0.1:1"}
    running = start(store_environment(store) | nowhere).wait_ready()
    assert running.score(transaction())["degraded"] is True
    assert '"reason": "EndpointConnectionError"' in running.log.read_text()


def test_a_store_that_hangs_degrades_the_answer_only(
    start: Callable[..., Server], store: Store
) -> None:
    impatient = {"SERVE_STORE_BUDGET_MILLISECONDS": "200"}
    running = start(store_environment(store) | impatient).wait_ready()
    store.proceed.clear()
    assert running.score(transaction())["degraded_reasons"] == ["store_timeout"]


def test_a_slow_read_does_not_hold_up_other_requests(server: Server, store: Store) -> None:
    store.proceed.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(server.score, transaction())
        assert store.entered.wait(10)
        assert server.request("GET", "/ping").status == 200
        assert not slow.done()
        store.proceed.set()
        assert slow.result()["score"] >= 0


def test_concurrent_requests_get_their_own_answers(
    server: Server, store: Store, known: None
) -> None:
    def ask(id_: int) -> tuple[int, float, float]:
        answer = server.score(transaction(transaction_id=id_, amount=f"{id_}.50"))
        return answer["transaction_id"], answer["features"]["amount_minor"], answer["score"]

    ids = list(range(2_000, 2_060))
    alone = [ask(id_) for id_ in ids]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, ids)) == alone
    assert [(id_, minor) for id_, minor, _ in alone] == [(id_, id_ * 100 + 50) for id_ in ids]


def test_sigterm_lets_the_request_under_way_finish(
    start: Callable[..., Server], store: Store, known: None
) -> None:
    patient = {"SERVE_STORE_TIMEOUT_SECONDS": "30", "SERVE_STORE_BUDGET_MILLISECONDS": "30000"}
    running = start(store_environment(store) | patient).wait_ready()
    store.proceed.clear()
    store.entered.clear()  # the server asked before it was ready, to connect
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(running.score(transaction())))
    asking.start()
    assert store.entered.wait(10)
    running.process.send_signal(signal.SIGTERM)
    store.proceed.set()
    asking.join(20)
    assert [answer["degraded"] for answer in answers] == [False]  # type: ignore[index]
    assert running.process.wait(20) == 0


def test_without_feature_groups_feature_rows_are_scored(
    start: Callable[..., Server], model: Model
) -> None:
    running = start().wait_ready()
    row = [1.5] * len(FEATURE_NAMES)
    answer = running.invoke(",".join(map(str, row)), "text/csv")
    assert answer.body.decode() == repr(float(model.predict([row])[0]))
    assert running.score(transaction())["degraded_reasons"] == ["store_unavailable"]


def test_batch_transform_is_told_the_limits(server: Server) -> None:
    answer = server.request("GET", "/execution-parameters")
    assert answer.document == {
        "MaxConcurrentTransforms": 1,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 1,
    }


def test_a_model_of_another_schema_does_not_start(
    start: Callable[..., Server], model: Model, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    model.save(folder)
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["feature_schema_version"] = "v0"
    (folder / "metadata.json").write_text(json.dumps(metadata))
    running = start(model=folder)
    assert running.process.wait(60) == 1
    assert f"feature schema version must be {SCHEMA_VERSION}, got v0" in running.log.read_text()


def test_a_model_whose_files_were_overwritten_does_not_start(
    start: Callable[..., Server], model: Model, tmp_path: Path
) -> None:
    model.save(tmp_path / "judged")
    # A whole model, and consistent in itself: only the package knows that it is another.
    replace(model, metadata=replace(model.metadata, train_rows=1)).save(tmp_path / "other")
    judged = model_digest(tmp_path / "judged")
    running = start({"MODEL_DIGEST": judged}, tmp_path / "other")
    assert running.process.wait(60) == 1
    assert f"must have the digest {judged} that was registered, got" in running.log.read_text()


@pytest.mark.parametrize("name", ["MODEL_DIGEST", "REVIEW_THRESHOLD"])
def test_without_what_the_package_says_it_does_not_start(
    start: Callable[..., Server], name: str
) -> None:
    running = start({name: ""})
    assert running.process.wait(60) == 1
    assert f"serve failed: {name} must be" in running.log.read_text()


def test_a_missing_model_does_not_start(start: Callable[..., Server], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    running = start(model=empty)
    assert running.process.wait(60) == 1
    assert "must hold metadata.json" in running.log.read_text()


def test_log_lines_are_json_without_personal_data(
    start: Callable[..., Server], store: Store
) -> None:
    store.status = 500
    running = start(store_environment(store)).wait_ready()
    running.score(transaction(customer_id=313_131_313, terminal_id=717_171_717))
    running.invoke('{"customer_id": 515151515}')
    running.__exit__()
    lines = running.log.read_text().splitlines()
    messages = {json.loads(line)["message"] for line in lines}
    assert {"starting", "model loaded", "states not read", "stopped"} <= messages
    for number in ("313131313", "717171717", "515151515"):
        assert not any(number in line for line in lines)


def test_scores_of_many_rows_equal_scores_of_each(server: Server, model: Model) -> None:
    rows = np.random.default_rng(9).random((500, len(FEATURE_NAMES))) * 30_000
    body = "\n".join(",".join(map(repr, row)) for row in rows.tolist())
    scores = [float(line) for line in server.invoke(body, "text/csv").body.decode().split()]
    assert scores == [float(model.predict([row])[0]) for row in rows]
