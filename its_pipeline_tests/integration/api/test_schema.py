"""schemathesis over the whole OpenAPI document: no crash, and every answer as it is documented."""

from __future__ import annotations

import zlib

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from its_pipeline.api.app import openapi_document
from its_pipeline.events.keys import is_valid_id
from tools.live_api import running
from tools.stores import log_intervention, series, short_settings, write_daily

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
    ignored_auth,
    unsupported_method,
    allow_header_conformance,
]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server of its own: the document's examples amend and withdraw what other tests look at."""
    settings = short_settings(tmp_path_factory.mktemp("schema"))
    people = ("anna", "sam")
    write_daily(settings, {user: series(50, 40, effect=6.0) for user in people})
    for user in people:
        log_intervention(settings, user)
    with running(settings, queue_size=4) as server:
        yield server


@pytest.fixture(scope="module")
def known(own):
    """What exists, to be put in the place of some of the identifiers that are made up."""
    run_id = own.analyze(user_id="sam").json()["mlflow_run_id"]
    return {"user_id": "sam", "intervention_id": "morning", "run_id": run_id}


# Every request carries the token, so none is made without it as if that were a mistake of its data;
# `ignored_auth` asks without one.
schema = schemathesis.openapi.from_dict(
    openapi_document(),
    config=schemathesis.Config.from_dict(
        {
            "generation": {"with-security-parameters": False},
            # What breaks a rule by its size alone is refused before the rule is looked at.
            "checks": {
                "negative_data_rejection": {"expected-statuses": [400, 404, 409, 413, 415, 422]}
            },
        }
    ),
)


def with_known(values, known):
    if not isinstance(values, dict):
        return
    for name, value in known.items():
        found = values.get(name)
        # Only legal values are replaced, so that what was made to be refused still is.
        if is_valid_id(found) and zlib.crc32(str(found).encode()) % 3:
            values[name] = value


@schema.parametrize()
@hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),  # type: ignore[arg-type] - an enum
)
def test_every_answer_is_as_documented(case, own, known):
    for values in (case.path_parameters, case.query, case.body):
        with_known(values, known)
    case.call_and_validate(base_url=own.url, checks=CHECKS, headers=own.headers(), timeout=60)
