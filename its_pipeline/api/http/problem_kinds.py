"""The catalogue of the ways in which the server says no: status, title and an example of each.

What belongs here: the kinds. What does not: a single refusal and its JSON form (`problems`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Kind:
    """One kind of problem.

    Attributes
    ----------
    status
        HTTP status.
    title
        The same for every problem of this kind.
    example
        Members of an example, besides type, title and status.
    """

    status: int
    title: str
    example: Mapping[str, Any] = field(default_factory=dict)


_COUNTS = {"n_pre": 30, "n_post": 3, "minimum_days": 8}

KINDS: Final[Mapping[str, Kind]] = {
    "malformed_request": Kind(
        400,
        "Not HTTP",
        {"detail": "this is not an HTTP request", "remedy": "send HTTP/1.1"},
    ),
    "malformed_body": Kind(
        400,
        "The body is not JSON",
        {"detail": "the body is not JSON: Expecting value", "remedy": "send a JSON object"},
    ),
    "unauthenticated": Kind(
        401,
        "No valid token",
        {
            "detail": "the request carries no bearer token",
            "remedy": "send `Authorization: Bearer <token>`",
        },
    ),
    "forbidden": Kind(
        403,
        "Not for this token",
        {
            "detail": "the token 'anna-phone' is for one person's own data",
            "value": "ben",
            "remedy": "ask for your own user_id, or use a service token",
        },
    ),
    "cross_site": Kind(
        403,
        "Sent by another site",
        {
            "detail": "a form of another site was sent here",
            "value": "https://elsewhere.example",
            "remedy": "open the page here and send its own form",
        },
    ),
    "not_found": Kind(
        404,
        "No such address",
        {
            "detail": "there is nothing at this address",
            "value": "/analytics",
            "remedy": "see /openapi.json",
        },
    ),
    "unknown_user": Kind(
        404,
        "Unknown user",
        {
            "detail": "no event, intervention or analysis of this user is known",
            "value": "nobody",
            "remedy": "check the user_id; new events are read by the next run of the pipeline",
        },
    ),
    "unknown_intervention": Kind(
        404,
        "Unknown intervention",
        {
            "detail": "the log has no such intervention of this user",
            "value": "evening-walk",
            "remedy": "log it with POST /interventions",
        },
    ),
    "unknown_run": Kind(
        404,
        "Unknown run",
        {
            "detail": "no analysis of yours has this run id",
            "value": "0123456789abcdef0123456789abcdef",
            "remedy": "take one from GET /analytics/its/history/{user_id}",
        },
    ),
    "unknown_kind": Kind(
        404,
        "Unknown kind",
        {
            "detail": "too few people have tried it, or nobody has",
            "value": "morning",
            "remedy": "GET /analytics/its/kinds lists the kinds that there are",
        },
    ),
    "unknown_file": Kind(
        404,
        "The file is not here any more",
        {
            "detail": "files that are not saved are removed after a while",
            "remedy": "drop the file again",
        },
    ),
    "no_report": Kind(
        404,
        "No report",
        {
            "detail": "only the newest analysis of a logged intervention has a report",
            "remedy": "log the intervention and analyse it by its intervention_id",
        },
    ),
    "method_not_allowed": Kind(
        405,
        "Method not allowed",
        {
            "detail": "this address does not answer DELETE",
            "value": "DELETE",
            "remedy": "see the header Allow",
        },
    ),
    "body_too_slow": Kind(
        408,
        "The body took too long",
        {"detail": "the body was not complete after 10 s", "remedy": "send it faster"},
    ),
    "already_logged": Kind(
        409,
        "Logged with other contents",
        {
            "detail": "user 'anna' has an intervention 'morning' already (version 1): "
            "started_on is 2026-05-01, not 2026-05-02",
            "value": "morning",
            "remedy": "amend it with PATCH, or choose another intervention_id",
        },
    ),
    "version_conflict": Kind(
        409,
        "Amended by somebody else",
        {
            "detail": "the intervention is in version 3, not 2",
            "value": 2,
            "version": 3,
            "remedy": "read it again and amend what is there now",
        },
    ),
    "withdrawn": Kind(
        409,
        "The intervention was withdrawn",
        {
            "detail": "the intervention was withdrawn",
            "value": "morning",
            "remedy": "log another intervention",
        },
    ),
    "body_too_large": Kind(
        413,
        "The body is too large",
        {
            "detail": "a body may have at most 65536 bytes",
            "value": "1048576",
            "remedy": "send less",
        },
    ),
    "unsupported_media_type": Kind(
        415,
        "Not JSON",
        {
            "detail": "the body must be application/json",
            "value": "text/plain",
            "remedy": "send `Content-Type: application/json`",
        },
    ),
    "wrong_host": Kind(
        421,
        "Not this server's name",
        {
            "detail": "a server without tokens answers to this machine's own names alone",
            "value": "evil.example",
            "remedy": "use http://127.0.0.1",
        },
    ),
    "validation": Kind(
        422,
        "The request breaks a rule",
        {
            "detail": "mcmc_samples: Input should be greater than or equal to 500",
            "value": 10,
            "errors": [
                {
                    "location": "body.mcmc_samples",
                    "message": "Input should be greater than or equal to 500",
                    "value": 10,
                }
            ],
            "remedy": "correct what `errors` names; the rules are in /openapi.json",
        },
    ),
    "insufficient_data": Kind(
        422,
        "Too few observed days",
        {
            "detail": "30 observed days before the start and 3 after it; at least 8 of each are "
            "needed. Possible from 2026-05-09 on",
            "value": "2026-05-01",
            "reason_code": "too_few_post_days",
            **_COUNTS,
            "analysable_on": "2026-05-09",
            "remedy": "ask again on 2026-05-09",
        },
    ),
    "future_date": Kind(
        422,
        "The intervention has not started",
        {
            "detail": "2030-01-01 is in the future",
            "value": "2030-01-01",
            "reason_code": "not_started",
            **_COUNTS,
            "n_post": 0,
            "analysable_on": "2030-01-09",
            "remedy": "log it with POST /interventions; it is analysed on 2030-01-09",
        },
    ),
    "not_analysable": Kind(
        422,
        "This series has no answer",
        {
            "detail": "the outcome is the same on every day before the intervention",
            "value": "2026-05-01",
            "reason_code": "constant_outcome",
            "remedy": "choose another outcome or other days",
        },
    ),
    "not_converged": Kind(
        424,
        "The sampler did not converge",
        {
            "detail": "max_r_hat 1.4 is not below 1.01",
            "mcmc_diagnostics": {"converged": False, "max_r_hat": 1.4, "divergences": 12},
            "mlflow_run_id": "0123456789abcdef0123456789abcdef",
            "remedy": "there is no effect to show; ask for more mcmc_samples, or wait for more "
            "days",
        },
    ),
    "too_many_requests": Kind(
        429,
        "Too many requests",
        {"detail": "more than 600 requests a minute", "remedy": "wait for Retry-After seconds"},
    ),
    "headers_too_large": Kind(
        431,
        "The headers are too large",
        {
            "detail": "request line and headers may have at most 32768 bytes",
            "remedy": "send less",
        },
    ),
    "internal_error": Kind(
        500,
        "Something is broken here",
        {
            "detail": "the request could not be answered",
            "remedy": "report the instance to whoever runs this server",
        },
    ),
    "analysis_failed": Kind(
        500,
        "The analysis crashed",
        {
            "detail": "the analysis ended without an answer; nothing was stored",
            "remedy": "report the instance to whoever runs this server",
        },
    ),
    "busy": Kind(
        503,
        "Too much to do",
        {
            "detail": "as many analyses wait already as may wait",
            "remedy": "ask again after Retry-After seconds",
        },
    ),
    "not_ready": Kind(
        503,
        "Not ready yet",
        {
            "detail": "the model is being compiled",
            "remedy": "ask again after Retry-After seconds",
        },
    ),
    "audit_unavailable": Kind(
        503,
        "The audit log cannot be written",
        {
            "detail": "who asks for whom cannot be written down, so nobody's data is read or "
            "changed",
            "remedy": "ask again after Retry-After seconds; whoever runs this server finds the "
            "reason in its log",
        },
    ),
    "analysis_timeout": Kind(
        504,
        "The analysis took too long",
        {
            "detail": "the analysis was ended after 120 s",
            "remedy": "ask for fewer mcmc_samples or mcmc_chains",
        },
    ),
}
