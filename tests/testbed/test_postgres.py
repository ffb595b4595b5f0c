"""The server keeps its data, its address and its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.postgres import PostgresServer
from testbed.processes import processes_with


def test_a_server_goes_away_and_comes_back_with_its_data(postgres: PostgresServer) -> None:
    postgres.query("CREATE TABLE numbers (n int); INSERT INTO numbers VALUES (7), (8)")
    url = postgres.url
    postgres.stop()
    with pytest.raises(RuntimeError, match="Connection refused"):
        postgres.query("SELECT 1")
    postgres.start()
    assert postgres.query("SELECT n, n + 1 FROM numbers ORDER BY n") == "7|8\n8|9"
    assert postgres.url == url
    assert postgres.query("SHOW max_connections") == "400"
    postgres.query("DROP TABLE numbers")


def test_a_server_wants_the_right_password(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, address = postgres.url.rpartition("@")
    monkeypatch.setattr(postgres, "url", f"{name}wrong@{address}")
    with pytest.raises(RuntimeError, match="password authentication failed"):
        postgres.query("SELECT 1")


@pytest.mark.usefixtures("postgres")  # which skips where there is no PostgreSQL
def test_the_end_of_a_server_leaves_nothing_running(tmp_path: Path) -> None:
    data = str(tmp_path / "server" / "data")
    with PostgresServer(tmp_path / "server") as server:
        assert server.sockets.is_dir()
        assert processes_with(PGDATA=data)
    assert not server.sockets.exists()
    assert not processes_with(PGDATA=data)
    server.close()  # once more is no error
