"""The OpenAPI document and docs/api.md: complete, with true examples, and current."""

from __future__ import annotations

import pytest

from its_pipeline.api.app import openapi_document
from its_pipeline.api.http.admission import OPEN_PATHS
from its_pipeline.api.http.problem_kinds import KINDS
from its_pipeline.api.http.problems import MEDIA_TYPE, TYPE_PREFIX
from its_pipeline.api.questions import (
    bodies_looks,
    requests,
    responses,
    responses_effects,
    responses_interventions,
    responses_kinds,
    responses_people,
    schedules,
)
from its_pipeline.api.reference import reference_text
from its_pipeline_tests.support import PROJECT_ROOT


@pytest.fixture(scope="module")
def document():
    return openapi_document()


def operations(document):
    for path, found in document["paths"].items():
        for method, operation in found.items():
            yield path, method, operation


def test_the_page_is_current():
    text = (PROJECT_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert text == reference_text(), "run: python -m its_pipeline.api reference"


def test_every_body_has_an_example_that_its_own_rules_accept(document):
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name == "Problem":
            continue
        assert schema.get("examples"), f"{name} has no example"
        [model] = {
            getattr(module, name)
            for module in (
                responses,
                responses_effects,
                responses_interventions,
                responses_kinds,
                responses_people,
                requests,
                schedules,
                bodies_looks,
            )
            if hasattr(module, name)
        }
        for example in schema["examples"]:
            model.model_validate(example)


def test_every_request_and_every_answer_has_an_example(document):
    for path, method, operation in operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        # 304 has no body.
        bodies += [found for status, found in operation["responses"].items() if int(status) < 300]
        assert bodies, (path, method)
        for body in bodies:
            for media_type, content in body["content"].items():
                if media_type == "image/png":
                    continue
                has = content.get("examples") or content.get("example")
                assert has, (path, method, media_type)


def test_every_refusal_has_an_example(document):
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            examples = response["content"][MEDIA_TYPE]["examples"]
            assert examples, (path, method, status)
            for code, example in examples.items():
                assert example["value"]["type"] == TYPE_PREFIX + code
                assert example["value"]["status"] == int(status) == KINDS[code].status
                assert {"detail", "remedy", "instance"} <= example["value"].keys()


def test_every_kind_of_problem_is_documented_where_it_happens(document):
    documented = {
        code
        for _, _, operation in operations(document)
        for status, response in operation["responses"].items()
        if int(status) >= 400
        for code in response["content"][MEDIA_TYPE]["examples"]
    }
    # These are of no address that is documented.
    of_no_address = {"not_found", "method_not_allowed", "headers_too_large"}
    of_no_address |= {"cross_site", "unknown_file"}  # Of pages alone.
    assert documented == KINDS.keys() - of_no_address


def test_all_but_the_open_addresses_need_a_token(document):
    for path, _, operation in operations(document):
        assert ("security" in operation) is (path not in OPEN_PATHS)
        assert ("401" in operation["responses"]) is (path not in OPEN_PATHS)


def test_every_address_and_field_says_what_it_is(document):
    for path, method, operation in operations(document):
        assert operation.get("description"), (path, method)
    assert "HTTPValidationError" not in document["components"]["schemas"]
