"""Who belongs to a kind, as what, and why somebody has no estimate."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.tries import Try
from its_pipeline.experiments.kinds import KindKey, members_of, read_verdicts, tried, why_without
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import open_store
from its_pipeline.stores.outlines import Outline
from its_pipeline.stores.pooled_results import WITHOUT_ESTIMATE
from its_pipeline.stores.pooled_store import needed_people
from its_pipeline.stores.verdict import STATUSES, Verdict
from tools.stores import METRIC, START_ON, short_settings

KEY = KindKey("walk", METRIC)


def intervention(user, intervention_id="w1", **changes):
    fields = {"outcome_metric": METRIC, "started_on": START_ON, "kind": "walk"}
    return Intervention(user_id=user, intervention_id=intervention_id, **{**fields, **changes})


def verdict(each, status="analysed", reason_code="", **changes):
    fields = {
        "key": str(each.key),
        "user_id": each.user_id,
        "intervention_id": each.intervention_id,
        "intervention_name": each.name,
        "intervention_version": each.version,
        "status": status,
        "reason": "",
        "reason_code": reason_code,
        "fingerprint": f"of-{each.key}",
        "decided_at": "2026-06-01T00:00:00",
        "direction": each.direction,
        "outcome_metric": each.outcome_metric,
        "unit": "points",
        "minimum_effect": 0.0,
        "started_on": each.started_on.isoformat(),
    }
    if status == "analysed":
        fields |= {"effects": {}, "probability_of_benefit": 0.5}
    return Verdict(**{**fields, **changes})


@pytest.fixture
def settings(tmp_path):
    return short_settings(tmp_path, pooled_min_people=2)


def snapshot(settings, *logged, stored=()):
    for each in stored:
        open_store(settings).write_verdict(each)
    return Snapshot(settings, logged=logged)


def membership(settings, *logged, stored=()):
    found = snapshot(settings, *logged, stored=stored)
    people = tried(found)[KEY]
    return members_of(KEY, people, read_verdicts(settings, [people]))


def test_a_kind_is_its_name_else_the_interventions_and_the_metric(settings):
    found = tried(
        snapshot(
            settings,
            intervention("a"),
            intervention("b", "walk", kind=""),
            intervention("c", outcome_metric="completionCount"),
            intervention("d", "w1", kind=""),
        )
    )
    assert {str(key): sorted(people) for key, people in found.items()} == {
        f"walk|{METRIC}": ["a", "b"]
    }


def test_fewer_people_than_the_setting_are_no_kind(settings):
    logged = [intervention(name) for name in "abc"]
    more = settings.model_copy(update={"pooled_min_people": 4})
    assert list(tried(snapshot(settings, *logged))) == [KEY]
    assert tried(snapshot(more, *logged)) == {}
    one = settings.model_copy(update={"pooled_min_people": 1})
    assert tried(snapshot(one, logged[0])) == {}
    assert (needed_people(one), needed_people(more)) == (2, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "withdrawn"},
        {"started_on": date(2026, 6, 21)},
        {"outcome_metric": "nobody_registered_it"},
    ],
)
def test_what_was_taken_back_or_has_not_begun_is_no_try(settings, changes):
    assert tried(snapshot(settings, intervention("a"), intervention("b", **changes))) == {}


def test_the_newest_try_with_an_estimate_is_the_one_that_counts(settings):
    old, newer, newest = (
        intervention("a", f"w{n}", started_on=START_ON + timedelta(days=n)) for n in range(3)
    )
    other = intervention("b")
    found = membership(
        settings,
        old,
        newer,
        newest,
        other,
        stored=[verdict(old), verdict(newer), verdict(newest, "waiting"), verdict(other)],
    )
    assert found.estimated["a"][0] == Try.of(newer)
    assert (found.n_people, found.without) == (2, {})


def test_who_never_had_an_estimate_is_counted_by_the_newest_trys_reason(settings):
    old, newest = intervention("a", "w0"), intervention("a", "w1")
    found = membership(
        settings,
        old,
        newest,
        intervention("b"),
        stored=[verdict(old, "not_converged"), verdict(newest, "closed", "too_few_post_days")],
    )
    assert found.without == {"stopped early": 1, "waiting": 1}
    assert found.estimated == {}


def test_a_verdict_about_another_outcome_is_none(settings):
    each = intervention("a")
    found = membership(
        settings,
        each,
        intervention("b"),
        stored=[verdict(each, outcome_metric="completionCount")],
    )
    assert found.without == {"waiting": 2}


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        ("waiting", "too_few_post_days", "waiting"),
        ("crashed", "crashed", "waiting"),
        ("not_converged", "not_converged", "not converged"),
        ("refused", "constant_outcome", "refused"),
        ("closed", "too_few_pre_days", "refused"),
        ("closed", "too_few_post_days", "stopped early"),
        ("closed", "too_few_on_days", "stopped early"),
        ("closed", "withdrawn", "waiting"),
    ],
)
def test_why_there_is_no_estimate(status, code, why):
    assert why_without(Outline.of(verdict(intervention("a"), status, code))) == why
    assert why in WITHOUT_ESTIMATE
    assert why_without(None) == "waiting"


def test_every_status_without_effects_has_its_reason():
    told = {
        why_without(Outline.of(verdict(intervention("a"), s))) for s in STATUSES if s != "analysed"
    }
    assert told == set(WITHOUT_ESTIMATE)


def test_a_key_reads_what_it_writes():
    assert KindKey.parse(str(KEY)) == KEY
    for text in ("walk", "|x", "walk|", "a|b|c"):
        with pytest.raises(ValueError, match="KIND"):
            KindKey.parse(text)
