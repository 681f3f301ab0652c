"""The store: documents survive, changes are atomic, names are kept apart by kind."""

import threading
from pathlib import Path

import pytest

from local_aws.sagemaker.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.db")


def test_documents_survive_a_restart(tmp_path: Path) -> None:
    first = Store(tmp_path / "store.db")
    first.put("pipeline", "train", {"Time": 1.5})
    first.close()
    assert Store(tmp_path / "store.db").get("pipeline", "train") == {"Time": 1.5}


def test_a_name_is_taken_once(store: Store) -> None:
    assert store.add("model", "a", {"Version": 1})
    assert not store.add("model", "a", {"Version": 2})
    assert store.add("endpoint", "a", {"Version": 3})
    assert store.get("model", "a") == {"Version": 1}


def test_listing_goes_by_prefix(store: Store) -> None:
    for name in ("b/1", "a/2", "a/10", "a%/1"):
        store.put("package", name, {"Name": name})
    assert [item["Name"] for item in store.list("package", "a/")] == ["a/10", "a/2"]
    assert len(store.list("package")) == 4


def test_changes_of_many_threads_all_count(store: Store) -> None:
    store.put("group", "fraud", {"Versions": 0})

    def count() -> None:
        for _ in range(50):
            store.update("group", "fraud", lambda d: d.update(Versions=d["Versions"] + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("group", "fraud") == {"Versions": 200}


def test_a_failed_change_changes_nothing(store: Store) -> None:
    store.put("group", "fraud", {"Versions": 0})
    with pytest.raises(KeyError), store.transaction():
        store.put("group", "fraud", {"Versions": 1})
        store.put("group", "other", {})
        raise KeyError
    assert store.get("group", "fraud") == {"Versions": 0}
    assert store.get("group", "other") is None


def test_what_is_absent_is_said_to_be(store: Store) -> None:
    assert store.get("group", "fraud") is None
    assert store.update("group", "fraud", lambda d: d.update(x=1)) is None
    assert not store.delete("group", "fraud")
