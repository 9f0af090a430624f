"""Clients that mean harm to a server: each takes what it can without keeping to any manners.

What belongs here: one round of each attack over a real connection. What does not: what the server
should do (`served`, and the tests of the API).
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

#: Connections and requests on each, of clients that never read what they ask for.
UNREAD_CONNECTIONS: Final = 262
UNREAD_REQUESTS: Final = 60
#: Large questions that one token has in flight.
GREEDY_QUESTIONS: Final = 40


@dataclass(frozen=True)
class Target:
    """A server under attack.

    Attributes
    ----------
    port
        On 127.0.0.1.
    token, user_id
        What the attacker has: one person's own.
    day
        A date of which the person can ask.
    """

    port: int
    token: str
    user_id: str
    day: str

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def question(self, **more: object) -> bytes:
        """Return a whole request for a large analysis."""
        body = {
            "user_id": self.user_id,
            "intervention_date": self.day,
            "mcmc_samples": 10_000,
            "mcmc_chains": 8,
            **more,
        }
        content = json.dumps(body).encode()
        head = (
            "POST /analytics/its/analyze HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content


def never_reads(target: Target, rng: random.Random) -> None:
    """Ask ahead for a large open page on many connections, and read none of it."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * UNREAD_REQUESTS
    with contextlib.ExitStack() as stack:
        for _ in range(UNREAD_CONNECTIONS):
            with contextlib.suppress(OSError):
                connection = stack.enter_context(target.connect())
                connection.sendall(asked)
        time.sleep(5.0)


def guesses(target: Target, rng: random.Random) -> None:
    """Send wrong tokens as fast as the server refuses them."""
    asked = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n"
    for _ in range(200):
        with contextlib.suppress(OSError), target.connect() as connection:
            for _ in range(50):
                connection.sendall(asked)
                if not connection.recv(65536):
                    break


def asks_too_much(target: Target, rng: random.Random) -> None:
    """Have as many large questions in flight as a queue holds, each a new one."""

    def one(_: int) -> None:
        with contextlib.suppress(OSError), target.connect(timeout=120.0) as connection:
            connection.sendall(target.question(minimum_effect=round(rng.uniform(0, 50), 6)))
            connection.recv(65536)

    with ThreadPoolExecutor(GREEDY_QUESTIONS) as threads:
        list(threads.map(one, range(GREEDY_QUESTIONS)))


def leaves(target: Target, rng: random.Random) -> None:
    """Ask, and break the connection at some moment: after a part, after all, after an answer."""
    asked = target.question(minimum_effect=round(rng.uniform(0, 50), 6))
    page = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    for text in (asked[: rng.randrange(1, len(asked))], asked, asked + page, page * 4):
        with contextlib.suppress(OSError), target.connect() as connection:
            connection.sendall(text)
            time.sleep(rng.uniform(0.0, 0.2))
            # A reset, not an orderly end.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def sends_noise(target: Target, rng: random.Random) -> None:
    """Send what is no request, or one that two readers read differently."""
    line = b"X-Large: " + b"a" * 8000 + b"\r\n"
    bearer = f"Authorization: Bearer {target.token}\r\n".encode()
    for text in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + bearer * 2 + b"\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + line * 7 + b"\r\n",
        b"GET /experiments/ HTTP/1.1\r\nHost: evil.example\r\n" + bearer + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        rng.randbytes(200),
    ):
        with contextlib.suppress(OSError), target.connect(timeout=2.0) as connection:
            connection.sendall(text)
            connection.recv(65536)
    time.sleep(0.05)


def dawdles(target: Target, rng: random.Random) -> None:
    """Hold connections with headers, bodies and reading that take for ever."""
    head = target.question()
    with contextlib.ExitStack() as stack:
        held = []
        for number in range(60):
            with contextlib.suppress(OSError):
                connection = stack.enter_context(target.connect())
                connection.sendall(head[: (20, 200, len(head) - 5)[number % 3]])
                held.append(connection)
        for _ in range(8):
            time.sleep(1.0)
            for connection in held:
                with contextlib.suppress(OSError):
                    connection.sendall(b" ")


Attack = Callable[[Target, random.Random], None]

ATTACKERS: dict[str, Attack] = {
    "never reads": never_reads,
    "guesses": guesses,
    "asks too much": asks_too_much,
    "leaves": leaves,
    "sends noise": sends_noise,
    "dawdles": dawdles,
}
