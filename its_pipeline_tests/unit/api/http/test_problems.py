"""Refusals: what they repeat of a hostile value, and their JSON."""

from __future__ import annotations

import json
import math

import pytest

from its_pipeline.api.http.audit import AuditLog
from its_pipeline.api.http.problems import KINDS, Problem, example, shown, to_json
from its_pipeline.api.questions.preparing import adhoc_id
from its_pipeline.events.keys import is_valid_id
from tools.stores import METRIC, START_ON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10, 10),
        (1.5, 1.5),
        (True, True),
        ("short", "short"),
        ({"a": 1}, "{'a': 1}"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_a_refused_value_is_repeated_in_a_plain_type(value, expected):
    assert shown(value) == expected


def test_long_values_are_cut():
    assert len(shown("x" * 10_000)) == 120
    assert len(str(shown(10**1000))) <= 20
    assert len(shown(["x"] * 10_000)) == 120


def test_half_surrogates_and_line_ends_stay_inside_their_json(tmp_path):
    nasty = "\ud800\n{}\u2028\x00"
    assert json.loads(to_json({"value": nasty})) == {"value": nasty}
    log = AuditLog(tmp_path / "deep" / "audit.jsonl", 10_000, 3)
    for _ in range(800):
        log.write({"path": nasty})
    log.close()
    files = sorted((tmp_path / "deep").iterdir())
    assert len(files) == 3
    for file in files:
        assert file.stat().st_size <= 10_000
        assert all(json.loads(line) == {"path": nasty} for line in file.read_text().splitlines())


def test_a_problem_says_what_was_wrong_the_value_and_the_remedy():
    problem = Problem("unknown_user", "nobody knows them", value="x", more=1)
    found = problem.to_dict("some-id")
    assert found == {
        "type": "urn:its-pipeline:problem:unknown_user",
        "title": "Unknown user",
        "status": 404,
        "detail": "nobody knows them",
        "remedy": KINDS["unknown_user"].example["remedy"],
        "value": "x",
        "more": 1,
        "instance": "urn:uuid:some-id",
    }


def test_every_kind_has_an_example_with_a_remedy():
    for code, kind in KINDS.items():
        assert kind.example["detail"], code
        assert example(code)["remedy"], code


@pytest.mark.parametrize("metric", [METRIC, "m", "M" * 64, "a" * 46, "a" * 47, "a" * 48])
def test_identifiers_of_dates_that_are_not_logged_are_legal_and_distinct(metric):
    made = adhoc_id(START_ON, metric)
    assert is_valid_id(made)
    assert made.startswith("adhoc-2026-05-01-")
    assert made != adhoc_id(START_ON, metric[:-1] + "x")
