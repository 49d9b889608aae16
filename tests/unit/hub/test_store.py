"""The store keeps what belongs together, together."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.store import Store


def _count(store: Store) -> int:
    return int(store.value("SELECT count(*) FROM accounts"))


def _insert_and_fail(store: Store) -> None:
    with store.transaction():
        store.insert("accounts", login="a", type="User", created_at=store.now())
        with store.transaction():
            store.insert("accounts", login="b", type="User", created_at=store.now())
        raise RuntimeError


def test_a_transaction_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    with pytest.raises(RuntimeError):
        _insert_and_fail(store)
    assert _count(store) == 0
    store.close()


def test_ids_of_different_kinds_differ_and_go_on_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    first = store.insert("accounts", login="a", type="User", created_at=store.now())
    store.close()
    store = Store(tmp_path / "db")
    assert store.insert("accounts", login="b", type="User", created_at=store.now()) == first + 1
    assert first > 1000
    store.close()
