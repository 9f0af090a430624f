"""The OpenAPI document: what the framework cannot know of refusals, tokens and examples.

What belongs here: adding them to the document. What does not: the routes themselves, or the page
for people (`reference`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel

from its_pipeline.api.http.admission import OPEN_PATHS
from its_pipeline.api.http.problem_kinds import KINDS
from its_pipeline.api.http.problems import MEDIA_TYPE, example

_ALWAYS: Final = (
    "malformed_request",
    "body_too_large",
    "body_too_slow",
    "wrong_host",
    "too_many_requests",
    "validation",
    "internal_error",
)
_ADMISSION: Final = ("unauthenticated", "forbidden", "busy", "audit_unavailable")
_WITH_BODY: Final = ("malformed_body", "unsupported_media_type")
_RETRY: Final = frozenset({429, 503})

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "A refusal (RFC 9457): what was wrong, the value, and what to do.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "remedy", "instance"],
    "properties": {
        "type": {"type": "string", "description": "`urn:its-pipeline:problem:` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong with this request."},
        "remedy": {"type": "string", "description": "What to do."},
        "value": {"description": "The value that was refused, shortened."},
        "instance": {"type": "string", "description": "The request's id, as in X-Request-Id."},
        "errors": {
            "type": "array",
            "description": "Of `validation`: every field that breaks a rule.",
            "items": {
                "type": "object",
                "required": ["location", "message"],
                "properties": {
                    "location": {"type": "string"},
                    "message": {"type": "string"},
                    "value": {},
                },
            },
        },
        "reason_code": {"type": "string"},
        "n_pre": {"type": "integer"},
        "n_post": {"type": "integer"},
        "minimum_days": {"type": "integer"},
        "analysable_on": {
            "type": ["string", "null"],
            "format": "date",
            "description": "First date on which it can be analysed.",
        },
        "version": {"type": "integer"},
        "mcmc_diagnostics": {"type": "object"},
        "mlflow_run_id": {"type": ["string", "null"]},
    },
}


def refusals(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route passes as `responses`: its own refusals, with examples."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in codes:
        by_status[KINDS[code].status].append(code)
    return {status: _response(status, found) for status, found in sorted(by_status.items())}


def _response(status: int, codes: Iterable[str]) -> dict[str, Any]:
    codes = list(codes)
    response: dict[str, Any] = {
        "description": "; ".join(dict.fromkeys(KINDS[code].title for code in codes)) + ".",
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"value": example(code)} for code in codes},
            }
        },
    }
    if status in _RETRY:
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return response


def complete(document: dict[str, Any], bodies: Iterable[ModuleType]) -> dict[str, Any]:
    """Add to the framework's document what holds for every route; return it.

    Parameters
    ----------
    document
        As the framework makes it.
    bodies
        The modules with the models of requests and responses, whose examples are shown whole.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (model for module in bodies for model in _models(module)):
        if model.__name__ in schemas:
            # The framework drops whatever is null, from examples too.
            schemas[model.__name__].update(_extra(model))
    document["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of scope `user` is for one person's own data; `service`: all.",
        }
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(path, operation)
            _show_bodies(operation, schemas)
    return document


def _models(module: ModuleType) -> list[type[BaseModel]]:
    found = (value for value in vars(module).values() if isinstance(value, type))
    return [value for value in found if issubclass(value, BaseModel)]


def _extra(model: type[BaseModel]) -> dict[str, Any]:
    extra = model.model_config.get("json_schema_extra", {})
    return dict(extra) if isinstance(extra, dict) else {}


def _complete_operation(path: str, operation: dict[str, Any]) -> None:
    codes: list[str] = list(_ALWAYS)
    if path not in OPEN_PATHS:
        codes += _ADMISSION
        operation["security"] = [{"token": []}]
    if "requestBody" in operation:
        codes += _WITH_BODY
    responses = operation["responses"]
    for status, common in refusals(*codes).items():
        own = responses.setdefault(str(status), common)
        if own is not common:
            _add_examples(own, common)
    operation["responses"] = {status: responses[status] for status in sorted(responses)}


def _show_bodies(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put the examples of a body's model where readers of an operation look for them."""
    for body in (operation.get("requestBody", {}), *operation["responses"].values()):
        content = body.get("content", {}).get("application/json", {})
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        found = schemas.get(name, {}).get("examples", [])
        if found:
            content["examples"] = {
                str(number): {"value": value} for number, value in enumerate(found, start=1)
            }


def _add_examples(own: dict[str, Any], common: dict[str, Any]) -> None:
    examples = own.get("content", {}).get(MEDIA_TYPE, {}).get("examples")
    if examples is not None:
        for code, value in common["content"][MEDIA_TYPE]["examples"].items():
            examples.setdefault(code, value)
