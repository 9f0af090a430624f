"""How connections are read: bounds on the time and the size of a request's headers.

What belongs here: what uvicorn leaves unbounded before there is a request that
`admission` could refuse. What does not: bodies (`body`), or anything about a request that has
arrived (`admission`).
"""

from __future__ import annotations

import asyncio
import uuid

from its_pipeline.api.http.problems import MEDIA_TYPE, Problem, to_json


def bounded_connection(header_seconds: float, max_header_bytes: int) -> type[asyncio.Protocol]:
    """Return uvicorn's class of a connection, with bounds; it otherwise waits for headers for ever.

    Parameters
    ----------
    header_seconds
        Longest from the first byte of a request, or from the connection, to the end of its headers.
    max_header_bytes
        Largest request line and headers together.
    """
    from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

    class BoundedConnection(HttpToolsProtocol):
        _patience: asyncio.TimerHandle | None = None
        _header_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._headers_are_there()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._answers_nothing() and self._patience is None:
                # The next request on a connection that is kept: uvicorn stops its own clock at the
                # first byte, be it an empty line.
                self._await_headers()
            super().data_received(data)
            if self._patience is None:
                return
            self._header_bytes += len(data)
            if self._header_bytes > max_header_bytes:
                self._refuse(
                    Problem(
                        "headers_too_large",
                        f"request line and headers may have at most {max_header_bytes} bytes",
                    )
                )

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._await_headers()

        def on_headers_complete(self) -> None:
            self._headers_are_there()
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            self._refuse(Problem("malformed_request", "this is not an HTTP request"))

        def _await_headers(self) -> None:
            if self._patience is None:
                self._header_bytes = 0
                self._patience = self.loop.call_later(header_seconds, self._lose_patience)

        def _headers_are_there(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

        def _lose_patience(self) -> None:
            self._patience = None
            if self._answers_nothing():
                self.transport.close()
            else:
                # A request sent ahead must not cost the answer that is on its way.
                self._await_headers()

        def _answers_nothing(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _refuse(self, problem: Problem) -> None:
            self._headers_are_there()
            if self.transport.is_closing():
                return
            if self._answers_nothing():
                content = to_json(problem.to_dict(str(uuid.uuid4())))
                head = (
                    f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\n"
                    "connection: close\r\n\r\n"
                )
                status_line = STATUS_LINE[problem.kind.status]
                self.transport.write(status_line + head.encode("ascii") + content)
            self.transport.close()

    return BoundedConnection
