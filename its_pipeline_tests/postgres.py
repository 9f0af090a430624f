"""The fixture of a PostgreSQL server; a module that imports it has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.postgres import PostgresServer, server_binaries


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; skips where there are no server binaries."""
    binaries = server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server under /usr/lib/postgresql (apt-get install postgresql)")
    server = PostgresServer(binaries)
    server.start()
    yield server
    server.stop()
