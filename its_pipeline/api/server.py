"""Starting the server.

What belongs here: binding an address and running the application on it. What does not: the
application (`app`), or parsing a command line (`__main__`, `its_pipeline.cli.main`).
"""

from __future__ import annotations

from typing import Any

from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.settings import Settings, get_settings


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
    make_server(settings or get_settings(), server_settings).run()


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
