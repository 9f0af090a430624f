"""``docs/api.md``: the OpenAPI document as a page for people.

What belongs here: its text. What does not: anything that the document does not know; a change of
the API changes the page, and a test holds that it was written anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from its_pipeline.api.http.problem_kinds import KINDS
from its_pipeline.api.http.problems import MEDIA_TYPE, TYPE_PREFIX
from its_pipeline.api.http.server_settings import ServerSettings

_HEAD = """\
# The HTTP API

Written by `python -m its_pipeline.api reference` from the OpenAPI document (`/openapi.json`); do
not edit.

## Starting

    make serve                                        # this machine alone, no tokens
    python -m its_pipeline.api token app              # prints a token and its record
    ITS_API_TOKENS='[<record>]' python -m its_pipeline.api serve --host 0.0.0.0

A server without tokens starts on a loopback address only, and only when told so
(`ITS_API_ALLOW_ANONYMOUS=true` or `--without-tokens`); `its-pipeline serve`, the command for
people, takes a loopback address with no token configured for that, says so, and prints the
address to open. A token of scope `user` reads and writes one person's data, one of scope
`service` everybody's; the server keeps their SHA-256 alone. Put a reverse proxy with TLS before
any address that other machines reach.

An analysis asked for here and one made by the nightly run are the same: same data and options, same
fingerprint, same numbers, same run in MLflow. What is known is answered from the store; what is not
is computed by a small pool of worker processes that have the model compiled. It is answered once it
is kept for good; its run in MLflow, whose id the answer has, is completed right after, and whoever
asks this server for a history, a state or a report meanwhile waits for that. Effects of a sampler
that did not converge are never shown.

## The pages

At `/` the same server has pages for people: drop a file, see what was understood, ask it, log it
and have it followed nightly, draw days by lot, log a day otherwise. They are HTML with plain
forms, need no script and nothing from elsewhere, and are not in the OpenAPI document.

The same tokens open them: `/sign-in` takes one and keeps it in a cookie (`HttpOnly`,
`SameSite=Strict`, until the browser is closed; `Secure` where the browser says that it speaks TLS).
The cookie opens pages alone, and the API takes the `Authorization` header alone, because a browser
sends a cookie with whatever another site makes it ask for. A form is taken only where `Origin` or
`Sec-Fetch-Site` says that it is this server's own (403 otherwise), also without tokens.

A dropped file lies in a private folder for temporary files, belongs to the token that dropped it,
and is removed after `ITS_API_UPLOAD_MINUTES`, when it was saved, when its owner drops too many,
and when the server ends; the next server removes what a killed one left. It is read and asked by
the workers, within the same bounds as any analysis. Saving it takes the chosen person's rows of
the chosen outcome alone; a token of scope `user` is refused another person's file, and sees of a
file about several its own rows.

## What one client may cost the others

Requests, connections, unread answers and places in the queue are bounded for each token and
address (the settings below); the queue serves tokens in turn. Of a person's questions that are
not logged interventions' own, the newest analyses are kept (`ITS_API_ADHOC_ANALYSES`), and the
oldest is deleted for good when another one is made.

## The audit log

`<store_root>/api/audit.jsonl` has a line for every request that was let in: who asked, for whom,
and what came of it. Whoever is about to change something has a line before (its `status` is null)
and one after. Full files are renamed and stay for `ITS_API_AUDIT_LOG_DAYS`. Refusals at the door
(no valid token, too many requests, not HTTP/1.1) are summed up each minute in
`audit-refused.jsonl`, two files of `ITS_API_AUDIT_LOG_BYTES` at most. While the log cannot be
written, whatever needs a token is refused with `audit_unavailable`, `/ready` too, and the
server's own log says why. Store and log are readable by their owner alone.
"""


def reference_text() -> str:
    """Return the page."""
    document = _document()
    parts = [_HEAD, _settings(), "## Addresses\n"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation(method, path, operation, document))
    parts += [_problems(), _schemas(document)]
    return "\n".join(parts).rstrip() + "\n"


def _document() -> dict[str, Any]:
    from its_pipeline.api.app import openapi_document

    return openapi_document()


def _settings() -> str:
    lines = [
        "## Settings\n",
        "Environment variables, read when the server starts.\n",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in ServerSettings.model_fields.items():
        default = field.get_default()
        shown = json.dumps(default if not isinstance(default, Path) else str(default))
        lines.append(f"| `ITS_API_{name.upper()}` | `{shown}` | {field.description} |")
    return "\n".join(lines) + "\n"


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path}`\n", operation["description"] + "\n"]
    if "security" not in operation:
        lines.append("Needs no token.\n")
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["| parameter | in | required | meaning |", "|---|---|---|---|"]
        for parameter in parameters:
            required = "yes" if parameter.get("required") else "no"
            meaning = parameter.get("description", "") or _type(parameter["schema"])
            lines.append(f"| `{parameter['name']}` | {parameter['in']} | {required} | {meaning} |")
        lines.append("")
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        found = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        lines.append(f"Body: [`{found['title']}`](#{found['title'].lower()})\n")
        for example in found.get("examples", []):
            lines.append(_json(example))
    lines += ["| status | answer |", "|---|---|"]
    for status, response in operation["responses"].items():
        lines.append(f"| {status} | {_response(response)} |")
    return "\n".join(lines) + "\n"


def _response(response: dict[str, Any]) -> str:
    content = response.get("content", {})
    problems = content.get(MEDIA_TYPE, {}).get("examples")
    if problems:
        return ", ".join(f"[`{code}`](#{code})" for code in problems)
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[`{name}`](#{name.lower()})"
    return f"{response['description']} ({', '.join(content)})"


def _problems() -> str:
    lines = [
        "## Refusals\n",
        f"Every refusal is `{MEDIA_TYPE}` (RFC 9457). `type` is `{TYPE_PREFIX}` and the code, "
        "`instance` the request's id (`X-Request-Id`), `remedy` what to do. A 429 and a 503 say in "
        "`Retry-After` when to come back.\n",
    ]
    for code, kind in KINDS.items():
        lines.append(f"### {code}\n\n{kind.status}: {kind.title}.\n")
        lines.append(_json(dict(kind.example)))
    return "\n".join(lines)


def _schemas(document: dict[str, Any]) -> str:
    lines = ["## Bodies\n"]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"### {name}\n", schema.get("description", "") + "\n"]
        if "properties" not in schema:
            continue
        lines += ["| field | type | required | meaning |", "|---|---|---|---|"]
        for field, found in schema["properties"].items():
            required = "yes" if field in schema.get("required", []) else "no"
            meaning = found.get("description", "").replace("|", "\\|").replace("\n", " ")
            lines.append(f"| `{field}` | {_type(found)} | {required} | {meaning} |")
        lines.append("")
        for example in schema.get("examples", [])[:1]:
            lines.append(_json(example))
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    if kind == "array":
        parts = schema.get("prefixItems")
        kind = (
            f"list of {_type(schema.get('items', {}))}"
            if parts is None
            else f"[{', '.join(_type(part) for part in parts)}]"
        )
    if "format" in schema:
        kind += f" ({schema['format']})"
    bounds = [
        f"{sign} {schema[name]:g}"
        for name, sign in (("minimum", "≥"), ("maximum", "≤"))
        if name in schema
    ]
    return " ".join([kind, *bounds])


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"
