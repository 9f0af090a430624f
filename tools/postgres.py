"""A PostgreSQL server of one's own: Debian's binaries, a free loopback port, a password.

What belongs here: starting it, making databases, stopping it. What does not: what lies in them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

PASSWORD = "s3cret-of-the-tests"


class PostgresServer:
    """A server in a temporary folder; `url` names its database `events`."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="its-pg-"))
        self._user = _unprivileged_user()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"postgresql://tester:{PASSWORD}@127.0.0.1:{self.port}/events"

    def start(self) -> None:
        """Initialise and start the server, and make its database."""
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD)
        if self._user:
            for path in (self._folder, password_file):
                shutil.chown(path, self._user)
        data = self._folder / "data"
        self._run(
            "initdb",
            "-D",
            data,
            "-U",
            "tester",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            f"--pwfile={password_file}",
            "--no-sync",
        )
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} "
            "-c fsync=off -c max_connections=50"
        )
        self._run("pg_ctl", "-D", data, "-l", data / "log", "-w", "-o", options, "start")
        self.create_database("events")

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def create_database(self, name: str) -> str:
        """Create a database and return its URL."""
        self.run_sql(f'CREATE DATABASE "{name}"', database="postgres")
        return self.url_of(name)

    def url_of(self, database: str) -> str:
        """Return the URL of one of the server's databases."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def run_sql(self, statements: str, database: str = "events") -> None:
        """Run statements with psql; the first error raises."""
        subprocess.run(
            [self._binaries / "psql", "-v", "ON_ERROR_STOP=1", "-q", self.url_of(database)],
            input=statements,
            text=True,
            check=True,
            capture_output=True,
        )

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        with (self._folder.parent / f"{self._folder.name}.log").open("a+") as log:
            done = subprocess.run(command, stdout=log, stderr=log, cwd="/", check=False)
            if done.returncode:
                log.seek(0)
                raise RuntimeError(f"{program} failed:\n{log.read()[-2000:]}")
            Path(log.name).unlink(missing_ok=True)


def server_binaries() -> Path | None:
    """Return the newest folder of Debian's PostgreSQL server binaries, or None."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parent.parent.name)
    )
    return found[-1].parent if found else None


def _unprivileged_user() -> str | None:
    """Return a user to run the server as when we are root, which it refuses to run as."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
