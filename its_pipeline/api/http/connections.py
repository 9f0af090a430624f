"""How connections are read and written: bounds on what a client may cost before and after a route.

What belongs here: what uvicorn leaves unbounded outside of a request that `admission` could
refuse: the time and size of headers, how far ahead requests are sent, and answers nobody reads.
What does not: bodies (`body`), or anything about a request that has arrived (`admission`).
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final

from its_pipeline.api.http.problems import MEDIA_TYPE, Problem, to_json
from its_pipeline.api.http.server_settings import ServerSettings

MOST_AHEAD: Final = 8
"""Requests that may wait on one connection behind the one being answered."""

LEAST_READ_BYTES: Final = 64 * 1024
"""How much of a larger answer a client takes within `write_seconds`, or all that is left of it."""


class _NotReadOnError(Exception):
    """Ends the parsing of what has arrived; the connection takes no further request."""


def bounded_connection(settings: ServerSettings) -> type[asyncio.Protocol]:
    """Return uvicorn's class of a connection with bounds; its own waits for clients for ever.

    Parameters
    ----------
    settings
        `header_seconds` and `max_header_bytes` bound a request's headers, from its first byte or
        from the connection to their end; `write_seconds` bounds the taking of answers.
    """
    import httptools
    from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

    class BoundedConnection(HttpToolsProtocol):
        _patience: asyncio.TimerHandle | None = None
        _stall: asyncio.TimerHandle | None = None
        _unsent_bytes = 0
        _unparsed_bytes = 0
        _parsed_bytes = 0
        _in_headers_only = True
        _reads_on = True
        _answered: Any = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # Writing is paused as soon as anything is left unsent: nothing else tells that a
            # client does not read, and a closed connection would wait for it as well.
            transport.set_write_buffer_limits(high=0)
            self._await_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._headers_are_there()
            self._stop_stall()
            self._reads_on = False
            self.pipeline.clear()
            super().connection_lost(exc)
            # uvicorn tells the request that was read last, which need not be the one answered.
            if self._answered is not None and not self._answered.response_complete:
                self._answered.disconnected = True
                self._answered.message_event.set()

        # Reading

        def data_received(self, data: bytes) -> None:
            parser = self.parser
            if not self._reads_on or parser is None:
                return
            if self._answers_nothing() and self._patience is None:
                # The next request on a connection that is kept: uvicorn stops its own clock at the
                # first byte, be it an empty line.
                self._await_headers()
            self._unset_keepalive_if_required()
            self._in_headers_only = self._patience is not None
            # Not uvicorn's own, which writes a line to the log for whatever anybody sends.
            try:
                parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                pass
            except httptools.HttpParserError:
                if self._reads_on:
                    self._refuse(Problem("malformed_request", "this is not an HTTP request"))
            if self._patience is not None and self._in_headers_only:
                self._unparsed_bytes += len(data)
                if self._unparsed_bytes > settings.max_header_bytes:
                    self._refuse_headers()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._await_headers()

        def on_url(self, url: bytes) -> None:
            super().on_url(url)
            self._count(len(url))

        def on_header(self, name: bytes, value: bytes) -> None:
            super().on_header(name, value)
            self._count(len(name) + len(value))

        def on_headers_complete(self) -> None:
            self._headers_are_there()
            if len(self.pipeline) >= MOST_AHEAD:
                # What was taken is answered, and the connection closed after that: a client that
                # sent further ahead sends the rest again.
                self._reads_on = False
                self.cycle.keep_alive = False
                raise _NotReadOnError
            super().on_headers_complete()

        def _count(self, number: int) -> None:
            # Headers that come complete in one read have no moment between in which to look.
            self._parsed_bytes += number
            if self._parsed_bytes > settings.max_header_bytes:
                self._refuse_headers()
                raise _NotReadOnError

        def _await_headers(self) -> None:
            if self._patience is None:
                self._unparsed_bytes = self._parsed_bytes = 0
                self._patience = self.loop.call_later(settings.header_seconds, self._lose_patience)

        def _headers_are_there(self) -> None:
            self._in_headers_only = False
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

        # Answering

        def _start_asgi_task(self, cycle: Any, app: Any) -> None:
            if self.flow.write_paused:
                # Nobody begins to answer a client that has not taken its last answer.
                self.flow.pause_reading()
                self.pipeline.append((cycle, app))
                return
            self._answered = cycle
            super()._start_asgi_task(cycle, app)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._await_reading()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._stop_stall()
            if self.pipeline and self._answered.response_complete:
                self._start_asgi_task(*self.pipeline.pop())

        def _await_reading(self) -> None:
            self._unsent_bytes = self.transport.get_write_buffer_size()
            self._stall = self.loop.call_later(settings.write_seconds, self._check_reading)

        def _check_reading(self) -> None:
            taken = self._unsent_bytes - self.transport.get_write_buffer_size()
            if taken < LEAST_READ_BYTES:
                self._stall = None
                self.transport.abort()
            else:
                self._await_reading()

        def _stop_stall(self) -> None:
            if self._stall is not None:
                self._stall.cancel()
                self._stall = None

        def _answers_nothing(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _refuse_headers(self) -> None:
            self._refuse(
                Problem(
                    "headers_too_large",
                    f"request line and headers may have at most {settings.max_header_bytes} bytes",
                )
            )

        def _refuse(self, problem: Problem) -> None:
            self._headers_are_there()
            self._reads_on = False
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
