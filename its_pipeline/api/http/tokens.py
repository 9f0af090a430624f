"""Bearer tokens: what a server keeps of one, how one is made, and whose request it is.

What belongs here: token records, hashing, comparison in constant time, and what a caller may see.
What does not: HTTP headers (`admission`), or where records are configured (`server_settings`).

A token is 256 random bits, so its SHA-256 can be kept as it is: there is nothing to guess that a
slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from its_pipeline.events.keys import validate_id

PREFIX: Final = "its_"
"""Tokens start with it, so that scanners find one that was committed by mistake."""

LONGEST_TOKEN: Final = 256
"""Longer ones are refused unread."""


class TokenRecord(BaseModel):
    """What a server keeps of a token: everything but the token."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$", description="For the audit log."
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the token, in hexadecimal.")
    scope: Literal["user", "service"] = Field(
        description="`user`: one person's own data; `service`: everybody's."
    )
    user_id: str | None = Field(default=None, description="The person of scope `user`.")
    expires_at: AwareDatetime | None = Field(default=None, description="End of validity, or never.")

    @field_validator("user_id")
    @classmethod
    def _legal(cls, value: str | None) -> str | None:
        return None if value is None else validate_id("user_id", value)

    @model_validator(mode="after")
    def _scoped(self) -> TokenRecord:
        if (self.scope == "user") != (self.user_id is not None):
            raise ValueError("user_id belongs to scope 'user', and 'user' needs it")
        return self


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    name
        The token's name; ``anonymous`` on a server without tokens.
    user_id
        The one person whose data the caller may read and write; None for a service: everybody's.
    """

    name: str
    user_id: str | None

    @property
    def is_service(self) -> bool:
        """Whether the caller may read and write everybody's data."""
        return self.user_id is None

    def may_see(self, user_id: str) -> bool:
        """Tell whether the caller may read and write a person's data."""
        return self.is_service or self.user_id == user_id


ANONYMOUS: Final = Caller("anonymous", None)
"""The caller of a server without tokens, which listens on a loopback address alone."""


def hash_token(token: str) -> str:
    """Return what is kept of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_token(
    name: str, user_id: str | None = None, expires_at: datetime | None = None
) -> tuple[str, TokenRecord]:
    """Make a token: the secret, to be given away once, and the record, to be configured.

    Raises
    ------
    pydantic.ValidationError
        The name or the user is not a legal identifier.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    return token, TokenRecord(
        name=name,
        sha256=hash_token(token),
        scope="service" if user_id is None else "user",
        user_id=user_id,
        expires_at=expires_at,
    )


def identify(
    token: str, records: Iterable[TokenRecord], now: datetime | None = None
) -> Caller | None:
    """Return whose token it is, or None.

    Every record is compared, each in constant time: how long it takes tells nothing.
    """
    if len(token) > LONGEST_TOKEN:
        return None
    digest = hash_token(token)
    now = now or datetime.now(UTC)
    found: TokenRecord | None = None
    for record in records:
        if hmac.compare_digest(record.sha256, digest):
            found = record
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        return None
    return Caller(found.name, found.user_id)
