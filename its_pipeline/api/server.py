"""Starting the server.

What belongs here: binding an address and running the application on it. What does not: the
application (`app`), or parsing a command line (`__main__`, `its_pipeline.cli.main`).
"""

from __future__ import annotations

from typing import Any

from its_pipeline.api.server_settings import ApiSettings
from its_pipeline.settings import Settings, get_settings


def serve(
    host: str | None = None,
    port: int | None = None,
    *,
    settings: Settings | None = None,
    api: ApiSettings | None = None,
    allow_anonymous: bool | None = None,
) -> None:
    """Serve the HTTP API until the process is asked to end.

    Parameters
    ----------
    host, port
        Where to listen; the settings' own by default.
    settings, api
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
    api = (api or ApiSettings()).model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    api.check_safe()
    make_server(settings or get_settings(), api).run()


def make_server(settings: Settings, api: ApiSettings) -> Any:
    """Return a uvicorn server that is not running yet; `serve` runs it."""
    import uvicorn

    from its_pipeline.api.app import create_app
    from its_pipeline.api.http.connections import bounded_protocol

    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings, api),
            http=bounded_protocol(api.header_seconds, api.max_header_bytes),
            host=api.host,
            port=api.port,
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
