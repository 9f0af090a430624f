"""Finding interventions by the beginning of an identifier, on both kinds of database."""

from __future__ import annotations

from datetime import date

import pytest

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.keys import key_of_id
from its_pipeline_tests.integration.events.log_databases import url
from its_pipeline_tests.postgres import postgres_server

__all__ = ["postgres_server", "url"]

PEOPLE = ("anna", "Annabel", "ann_b", "annab", "bob", key_of_id("user_id", "Jörg Müller"))
KINDS = ("morning", "anns-walk", "100.walk")


@pytest.fixture
def log(url: str) -> InterventionLog:
    found = InterventionLog(url)
    found.log_all(
        Intervention.declared(
            user_id=user,
            intervention_id=kind,
            outcome_metric="sessionPerformanceScore",
            started_on=date(2026, 8, 15),
        )
        for user in PEOPLE
        for kind in KINDS
    )
    return found


def keys(log: InterventionLog, text: str, count: int = 99, user_id: str | None = None):
    return [str(each.key) for each in log.beginning_with(text, count, user_id)]


def of(*people: str) -> set[str]:
    return {f"{user}|{kind}" for user in people for kind in KINDS}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("annab", of("annab", "Annabel")),
        ("ANNAB", of("annab", "Annabel")),
        (" bob ", of("bob")),
        ("ann_", of("ann_b")),
        ("ann%", set()),
        ("%", set()),
        ("_", set()),
        ("morn", {f"{user}|morning" for user in PEOPLE}),
        ("ann", of("anna", "Annabel", "ann_b", "annab") | {f"{u}|anns-walk" for u in PEOPLE}),
        ("Jörg", of(PEOPLE[-1])),
        ("Jörg M", of(PEOPLE[-1])),
        ("Jürg", set()),
        ("anna|m", {"anna|morning"}),
        ("Anna|", of("anna")),
        ("ann|m", set()),
        ("nna", set()),
        ("", set()),
        ("x" * 500, set()),
        ("a\x00b", set()),
        ("anna|\x00", set()),
        ("' OR 1=1 --", set()),
    ],
)
def test_by_the_beginning_of_a_persons_or_an_interventions_identifier(log, text, wanted):
    told = keys(log, text)
    assert len(told) == len(set(told))
    assert set(told) == wanted


def test_at_most_so_many_in_order_and_of_one_person_alone(log):
    every = keys(log, "ann")
    assert keys(log, "ann", 3) == every[:3]
    assert set(keys(log, "ann", user_id="bob")) == {"bob|anns-walk"}
    assert keys(log, "anna", user_id="bob") == []


def test_the_newest_version_is_told_withdrawn_ones_too_and_nobody_who_was_forgotten(
    log, url, tmp_path
):
    log.amend("bob", "morning", name="Another")
    log.withdraw("bob", "anns-walk", "a mistake")
    told = {str(each.key): each for each in log.beginning_with("bob", 9)}
    assert told["bob|morning"].name == "Another"
    assert told["bob|morning"].version == 2
    assert told["bob|anns-walk"].status == "withdrawn"
    forgotten = Forgotten(tmp_path)
    forgotten.begin("bob")
    assert InterventionLog(url, forgotten=forgotten).beginning_with("bob", 9) == []
