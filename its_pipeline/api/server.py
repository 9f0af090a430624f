"""Starting the server.

What belongs here: binding an address and running the application on it. What does not: the
application (`app`), or parsing a command line (`__main__`, `its_pipeline.cli.main`).
"""

from __future__ import annotations

import resource
from typing import Any, Final

from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.settings import Settings, get_settings

_OTHER_FILES: Final = 512
"""Logs, databases, pipes of workers, and libraries that are still to be loaded."""


def serve(
    host: str | None = None,
    port: int | None = None,
    *,
    settings: Settings | None = None,
    server_settings: ServerSettings | None = None,
    allow_anonymous: bool | None = None,
) -> None:
    """Serve the HTTP API until the process is asked to end.

    Parameters
    ----------
    host, port
        Where to listen; the settings' own by default.
    settings, server_settings
        Read from the environment by default.
    allow_anonymous
        Answer without tokens, on a loopback address alone; the settings' own by default.

    Raises
    ------
    UnsafeSettingsError
        It would be open to people it must not be open to: no tokens, or an address that other
        machines reach without any.
    """
    changes: dict[str, Any] = {"host": host, "port": port, "allow_anonymous": allow_anonymous}
    server_settings = (server_settings or ServerSettings()).model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    server_settings.check_safe()
    _allow_open_files(server_settings.max_requests)
    make_server(settings or get_settings(), server_settings).run()


def _allow_open_files(requests: int) -> None:
    """Let this process have as many files open as that many requests need, where the system does.

    A request is a connection and may send a file; the usual limit of 1,024 is meant for programs
    that still use ``select``.
    """
    wanted = 2 * requests + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def make_server(settings: Settings, server_settings: ServerSettings) -> Any:
    """Return a uvicorn server that is not running yet; `serve` runs it."""
    import uvicorn

    from its_pipeline.api.app import create_app
    from its_pipeline.api.http.connections import bounded_connection

    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings, server_settings),
            http=bounded_connection(server_settings),
            host=server_settings.host,
            port=server_settings.port,
            lifespan="on",
            # Our audit log says more, and uvicorn's would repeat query strings.
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=15,
            timeout_graceful_shutdown=10,
        )
    )
