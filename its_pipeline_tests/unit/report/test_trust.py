"""The page on trust: what it says of nothing, of too few, of intervals that hold or do not."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from its_pipeline.report.index import render_index
from its_pipeline.report.trust import TrustInput, render_trust
from its_pipeline.report.views import widened_text
from its_pipeline.stores.placebo_audit import Audit, IntervalFactor, Measured

ROW = Measured("mood", None, 1.0, 60, 640, 0.907, 0.012, 0.88, 0.93, 0.061, 0.01, 0.032, 0.008)
AUDIT = Audit(
    "2026-06-20T06:00:00+00:00", "m-1", (ROW, replace(ROW, n_days=180)), {"mood": 1.27}, 60
)
FACTOR = IntervalFactor("mood", 2, 1.21, "2026-05-01T06:00:00+00:00", 45, 480, 0.905, "m-1")
FACTS = TrustInput(
    audit=AUDIT,
    factors={},
    titles={"mood": "Mood <b>of</b> the day"},
    verdicts={"mood": (True, "90.7 % of 640 intervals hold 0")},
    people=60,
    told_people=12,
    factor_people=30,
    factor_windows=200,
    benchmark_href="../../benchmarks/README.md",
)


class _Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.said = []
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.said.append(data)


def text(facts):
    parser = _Text()
    parser.feed(render_trust(facts))
    return " ".join(" ".join(parser.said).split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audit": None, "verdicts": {}}, "has not been measured here yet"),
        ({"audit": None, "verdicts": {}, "people": 12}, "too few people to tell: 12 people"),
        ({"audit": None, "verdicts": {}, "people": 1}, "too few people to tell: 1 person,"),
        ({}, "the intervals hold what they promise"),
        ({"verdicts": {"mood": (False, "too narrow")}}, "Not everywhere: Mood"),
        ({"verdicts": {"mood": (False, "too narrow")}, "people": 14}, "Not everywhere: Mood"),
    ],
)
def test_the_first_sentence_says_the_whole(changes, words):
    assert words in text(replace(FACTS, **changes))


def test_few_people_with_windows_are_too_few_however_many_there_are():
    few = replace(AUDIT, rows=(replace(ROW, people=9),))
    said = text(replace(FACTS, audit=few))
    assert "too few have enough days" in said
    assert "cannot be told" in said


def test_the_table_has_shares_with_errors_and_ranges_by_length():
    said = text(FACTS).replace("\N{NO-BREAK SPACE}", " ")
    for words in ("all – 60 640", "180 days", "90.7 % (± 1.2)", "88.0 % to 93.0 %"):
        assert words in said
    assert "6.1 % (± 1.0)" in said
    assert "3.2 % (± 0.8)" in said
    assert "no factor is in force" in said


def test_factors_are_shown_with_their_version_and_the_newest_measurement():
    wide = replace(ROW, factor=1.21, coverage=0.95)
    said = text(
        replace(FACTS, factors={"mood": FACTOR}, audit=replace(AUDIT, rows=(ROW, wide)))
    ).replace("\N{NO-BREAK SPACE}", " ")
    assert "1.21 2 1 May 2026 45 people, 480 windows; 90.5 % held without it 1.27" in said
    assert "× 1.21" in said
    assert "no factor is in force" not in said
    assert "the intervals, widened where they were too narrow, hold" in said
    unmeasured = replace(FACTS, factors={"mood": FACTOR}, audit=None, verdicts={})
    assert "too few to compute" in text(unmeasured)


def test_names_are_shown_as_text_and_addresses_are_safe():
    html = render_trust(replace(FACTS, benchmark_href="javascript:alert(1)"))
    assert "<b>of</b>" not in html
    assert "javascript" not in html
    assert "benchmarks/README.md of its source code" in html
    assert 'href="../../benchmarks/README.md"' in render_trust(FACTS)
    assert 'href="index.html"' in html


def test_the_index_leads_to_it():
    assert 'href="trust.html"' in render_index([], trust_href="trust.html")
    assert "trust" not in render_index([])


def test_a_report_says_its_factor_and_nothing_of_none():
    assert widened_text(1.0) == ""
    assert "by a factor of 1.21" in widened_text(1.21)
