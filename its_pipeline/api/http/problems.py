"""Every way in which the API says no: its status, its name, what was wrong and what to do.

What belongs here: a refusal and its JSON form (RFC 9457, ``application/problem+json``). What does
not: the catalogue (`problem_kinds`), deciding that something is wrong, or the framework's handlers
(`app`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from its_pipeline.api.http.problem_kinds import KINDS

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:its-pipeline:problem:"

_LONGEST_VALUE = 120


class Problem(Exception):  # noqa: N818 - the name of the standard
    """A refusal on its way to the client.

    Parameters
    ----------
    code
        A name in `KINDS`.
    detail
        What was wrong with this request; no path, SQL or traceback.
    remedy
        What the client can do; the kind's own where None.
    value
        The value that was refused.
    headers
        Of the answer.
    members
        Further members of the JSON object.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        remedy: str | None = None,
        value: Any = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.kind = KINDS[code]
        self.detail = detail
        self.remedy = remedy or str(self.kind.example.get("remedy", ""))
        self.value = value
        self.headers = dict(headers or {})
        self.members = members

    def to_dict(self, instance: str | None = None) -> dict[str, Any]:
        """Return the JSON object.

        Parameters
        ----------
        instance
            Reference of this occurrence: the request's id.
        """
        found: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "remedy": self.remedy,
        }
        if self.value is not None:
            found["value"] = shown(self.value)
        found.update(self.members)
        if instance is not None:
            found["instance"] = f"urn:uuid:{instance}"
        return found


def shown(value: Any) -> Any:
    """Return a refused value in a form that is safe to repeat: short, and of a plain type."""
    if isinstance(value, bool | int | float) or value is None:
        text = repr(value)
        return value if len(text) <= _LONGEST_VALUE and text not in _NOT_JSON else text[:20]
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


_NOT_JSON = frozenset({"nan", "inf", "-inf"})


def to_json(content: Any) -> bytes:
    """Return strict JSON in ASCII: hostile text (half surrogates) cannot break its encoding."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def example(code: str) -> dict[str, Any]:
    """Return an example of a kind of problem, as it is documented."""
    kind = KINDS[code]
    return {
        "type": TYPE_PREFIX + code,
        "title": kind.title,
        "status": kind.status,
        **kind.example,
        "instance": "urn:uuid:5f0c6a1e-3b1d-4b0a-9d4e-0c9a3c1f7e55",
    }
