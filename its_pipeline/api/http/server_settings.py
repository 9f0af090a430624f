"""Settings of the HTTP API alone: where it listens, who may ask, how much, and how many workers.

What belongs here: names, types, defaults, and the refusal of combinations that are not safe. What
does not: the installation's own settings (`its_pipeline.settings`), or checking a token
(`http.tokens`).
Every setting is an environment variable with the prefix ``ITS_API_``.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from its_pipeline.api.http.tokens import TokenRecord

_RECORDS = TypeAdapter(tuple[TokenRecord, ...])


class UnsafeSettingsError(ValueError):
    """The server would be open to people it must not be open to; it does not start."""


class ServerSettings(BaseSettings):
    """The settings of one server. Field descriptions are the documentation."""

    model_config = SettingsConfigDict(
        env_prefix="ITS_API_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port; 0 picks a free one.")
    tokens: Annotated[tuple[TokenRecord, ...], NoDecode] = Field(
        default=(), description="JSON list of token records, see `its_pipeline.api token`."
    )
    tokens_file: Path | None = Field(
        default=None, description="A JSON file with token records, besides `tokens`."
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Answer without tokens, to anyone on this machine; loopback addresses only.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="JSON list of origins whose pages may call; none by default."
    )
    workers: int = Field(default=2, ge=1, le=64, description="Processes that analyse.")
    queue_size: int = Field(
        default=32, ge=1, le=10_000, description="Analyses that may wait; one more gets a 503."
    )
    job_seconds: float = Field(
        default=120.0, gt=0, description="Longest that one analysis may take before it is ended."
    )
    abandoned_seconds: float = Field(
        default=10.0,
        ge=0,
        description="How long an analysis goes on that nobody waits for any more.",
    )
    start_seconds: float = Field(
        default=300.0, gt=0, description="Longest that a worker may take to be ready."
    )
    max_body_bytes: int = Field(default=64 * 1024, ge=1024, description="Largest request body.")
    upload_bytes: int = Field(
        default=20_000_000, ge=1024, description="Largest file that may be dropped on the page."
    )
    upload_seconds: float = Field(
        default=60.0, gt=0, description="Longest that a client may take to send one."
    )
    upload_minutes: float = Field(
        default=30.0,
        gt=0,
        description="How long one is held that is not saved, then it is removed.",
    )
    uploads: int = Field(
        default=16, ge=1, description="Files held at once for everybody; one more gets a 503."
    )
    uploads_of_one: int = Field(
        default=4, ge=1, description="Files held at once for one token; the oldest gives way."
    )
    max_header_bytes: int = Field(
        default=32 * 1024, ge=1024, description="Largest request line and headers together."
    )
    header_seconds: float = Field(
        default=10.0, gt=0, description="Longest that a client may take to send them."
    )
    body_seconds: float = Field(
        default=10.0, gt=0, description="Longest that a client may take to send a body."
    )
    write_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Longest that a client may take to read an answer, or 64 KiB of a larger one.",
    )
    max_requests: int = Field(
        default=2048,
        ge=1,
        description="Requests answered at once, those that wait for a page included; one more "
        "gets a 503.",
    )
    rate_per_minute: float = Field(
        default=600.0,
        gt=0,
        description="Requests a minute of one token; without one, for one page of one address.",
    )
    rate_burst: int = Field(default=100, ge=1, description="Requests at once within that rate.")
    refusals_per_minute: float = Field(
        default=30.0, gt=0, description="Refused tokens a minute of one address, then 429."
    )
    adhoc_analyses: int = Field(
        default=100,
        ge=1,
        description="Analyses kept of one person's questions that are not logged interventions' "
        "own; the one asked for longest ago goes first.",
    )
    plot_cache_size: int = Field(
        default=64, ge=0, description="Drawn plots kept in memory, some 100 KB each."
    )
    audit_log: Path | None = Field(
        default=None, description="Who asked for whom; default <store_root>/api/audit.jsonl."
    )
    audit_log_bytes: int = Field(
        default=10_000_000, ge=10_000, description="Size at which an audit file is turned over."
    )
    audit_log_days: int = Field(
        default=365, ge=1, description="Days that what was let in stays in the audit log."
    )

    @model_validator(mode="before")
    @classmethod
    def _parse_tokens(cls, values: object) -> object:
        if isinstance(values, dict) and isinstance(values.get("tokens"), str):
            return {**values, "tokens": parse_token_records(values["tokens"], "ITS_API_TOKENS")}
        return values

    def token_records(self) -> tuple[TokenRecord, ...]:
        """Return the records of `tokens` and of `tokens_file`.

        Raises
        ------
        UnsafeSettingsError
            The file is missing or not a list of records, or two records share a name.
        """
        records = self.tokens
        if self.tokens_file is not None:
            try:
                text = self.tokens_file.read_text(encoding="utf-8")
            except OSError as error:
                raise UnsafeSettingsError(
                    f"ITS_API_TOKENS_FILE cannot be read: {error.strerror}: {self.tokens_file}"
                ) from error
            records += parse_token_records(text, str(self.tokens_file))
        names = [record.name for record in records]
        for name in names:
            if names.count(name) > 1:
                raise UnsafeSettingsError(f"two token records are called {name!r}; rename one")
        return records

    def check_safe(self) -> None:
        """Refuse to be open to strangers.

        Raises
        ------
        UnsafeSettingsError
            No tokens without `allow_anonymous`; or `allow_anonymous` on an address that other
            machines reach, or together with tokens.
        """
        records = self.token_records()
        if self.allow_anonymous and records:
            raise UnsafeSettingsError(
                f"ITS_API_ALLOW_ANONYMOUS is set beside {len(records)} tokens, which nobody would "
                "need then; unset one of the two"
            )
        if self.allow_anonymous and not is_loopback(self.host):
            raise UnsafeSettingsError(
                f"ITS_API_ALLOW_ANONYMOUS is for loopback addresses, but the server is to listen "
                f"on {self.host!r}, which other machines reach; make a token with "
                "`python -m its_pipeline.api token` and put its record into ITS_API_TOKENS"
            )
        if not records and not self.allow_anonymous:
            raise UnsafeSettingsError(
                f"no tokens: nobody could ask, listening on {self.host!r}. Make one with "
                "`python -m its_pipeline.api token` and put its record into ITS_API_TOKENS or "
                "ITS_API_TOKENS_FILE; on this machine alone, ITS_API_ALLOW_ANONYMOUS=true does"
            )


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_token_records(text: str, source: str) -> tuple[TokenRecord, ...]:
    """Read token records from JSON.

    Raises
    ------
    UnsafeSettingsError
        Names source and rule, never a value: it might be a token put there by mistake.
    """
    if not text.strip():
        return ()
    try:
        return _RECORDS.validate_python(json.loads(text))
    except json.JSONDecodeError as error:
        raise UnsafeSettingsError(f"{source} is not JSON: {error.msg}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise UnsafeSettingsError(
            f"{source} should be a JSON list of token records: {problems}"
        ) from None
