"""The log of looks on a real store: once a day, whoever comes how often, and never rewritten."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.log_copies import keep_nightly_copy, log_file, restore_log
from its_pipeline.experiments import service
from its_pipeline.experiments.looking import looks_at, standing_of
from its_pipeline.experiments.planning import NothingToPlanFromError, plan_for, with_days_needed
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment, is_stale, open_store
from its_pipeline.settings import Settings
from tools.stores import (
    METRIC,
    START_ON,
    log_intervention,
    series,
    short_settings,
    write_daily,
)

KEY = "u|morning"


def night(settings: Settings, day: int):
    """Evaluate as on the night after the given day since the start; 0 is the first."""
    then = settings.model_copy(update={"today_on": START_ON + timedelta(days=day + 1)})
    outcome = fit_experiment(Snapshot(then), KEY)
    return outcome.verdict, looks_at(then, Snapshot(then).intervention(KEY))


@pytest.fixture
def settings(tmp_path) -> Settings:
    chosen = short_settings(tmp_path)
    write_daily(chosen, {"u": series(effect=3.5)})
    log_intervention(chosen, horizon_days=40)
    return chosen


def test_nights_take_a_look_each_and_the_last_spends_what_is_left(settings):
    for day in (9, 14, 25, 39):
        verdict, looks = night(settings, day)
    assert [look.looked_on - START_ON for look in looks] == [
        timedelta(days=day) for day in (9, 14, 25, 39)
    ]
    information = [look.information for look in looks]
    assert information == sorted(information)
    assert information[-1] == pytest.approx(1.0, abs=1e-6)
    assert looks[-1].alpha_spent == pytest.approx(0.05, abs=1e-6)
    found = standing_of(verdict)
    assert found is not None
    assert found.kind != "so_far"
    assert found.last == looks[-1]


def test_a_repeated_night_and_a_late_event_change_no_look(settings):
    _, before = night(settings, 20)
    _, again = night(settings, 20)
    assert again == before
    frame = series(effect=3.5)
    values = frame["value"].to_numpy(copy=True)
    values[45] += 20.0  # The fifth day since the start, delivered late.
    write_daily(settings, {"u": frame.assign(value=values)})
    verdict, after = night(settings, 20)
    assert verdict.fingerprint != before[-1].fingerprint
    assert after == before


def test_a_clock_that_goes_back_takes_no_look(settings):
    _, before = night(settings, 20)
    _, after = night(settings, 15)
    assert after == before
    _, later = night(settings, 21)
    assert later[: len(before)] == before
    assert len(later) == len(before) + 1


def test_a_night_killed_between_look_and_verdict_goes_on_with_its_look(settings, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(
            service.ExperimentStore, "write_verdict", lambda *_: (_ for _ in ()).throw(OSError())
        )
        with pytest.raises(OSError):
            night(settings, 20)
    then = settings.model_copy(update={"today_on": START_ON + timedelta(days=21)})
    taken = looks_at(then, Snapshot(then).intervention(KEY))
    assert len(taken) == 1
    verdict, looks = night(settings, 20)
    assert looks == taken
    assert standing_of(verdict) is not None


def _evaluate(root: Path, log_url: str, today_on: date) -> tuple[dict[str, object], ...]:
    settings = short_settings(root, today_on=today_on, intervention_log_url=log_url)
    write_daily(settings, {"u": series(effect=3.5)})
    fit_experiment(Snapshot(settings), KEY)
    return tuple(
        look.to_dict() for look in looks_at(settings, Snapshot(settings).intervention(KEY))
    )


def test_two_machines_at_once_take_one_look(settings, tmp_path):
    # Each has results of its own, so no lock on a disk is between them; the log is one.
    shared = settings.resolved_intervention_log_url, START_ON + timedelta(days=21)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [pool.submit(_evaluate, tmp_path / name, *shared) for name in ("one", "two")]
        first, second = (each.result() for each in found)
    assert len(first) == 1
    assert first == second


def test_an_amended_start_keeps_the_looks_and_what_they_spent(settings):
    night(settings, 39)
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.amend("u", "morning", started_on=START_ON + timedelta(days=2))
    log.close()
    verdict, looks = night(settings, 39)
    # All of the error was spent on the first question, so nothing may be said of this one.
    assert len(looks) == 1
    assert looks[0].said == ""
    assert math.isinf(looks[0].boundary)
    found = standing_of(verdict)
    assert found is not None
    assert found.kind in ("so_far", "undecided")


def test_a_longer_horizon_goes_on_where_the_looks_were(settings):
    _, before = night(settings, 20)
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.amend("u", "morning", horizon_days=60)
    log.close()
    _, after = night(settings, 30)
    assert after[0] == before[0]
    assert after[1].planned_information > 1.0
    assert after[1].planned_until_on == START_ON + timedelta(days=59)


def test_a_verdict_of_an_earlier_version_is_looked_at(settings):
    verdict, _ = night(settings, 20)
    then = settings.model_copy(update={"today_on": START_ON + timedelta(days=21)})
    open_store(then).write_verdict(replace(verdict, standing=None))
    assert is_stale(Snapshot(then), KEY)
    again, looks = night(settings, 20)
    assert again.standing is not None
    assert len(looks) == 1


def test_so_far_ends_when_the_days_do(settings):
    frame = series(effect=0.0)
    write_daily(settings, {"u": frame.iloc[:-3]})
    verdict, _ = night(settings, 36)
    assert verdict.standing is not None
    assert verdict.standing["kind"] == "so_far"
    over = settings.model_copy(update={"today_on": START_ON + timedelta(days=60)})
    assert is_stale(Snapshot(over), KEY)
    fit_experiment(Snapshot(over), KEY)
    told = open_store(over).verdict(KEY)
    assert told is not None
    assert told.standing is not None
    assert told.standing["kind"] == "undecided"


def test_a_plan_whose_last_days_were_not_observed_is_closed_all_the_same(settings):
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.amend("u", "morning", looks="at_end")
    log.close()
    write_daily(settings, {"u": series(effect=6.0).iloc[:-2]})
    _, before = night(settings, 37)
    assert [look.said for look in before] == [""]
    verdict, after = night(settings, 41)
    assert after[:-1] == before
    assert after[-1].looked_on == START_ON + timedelta(days=39)
    assert after[-1].information == pytest.approx(before[-1].information)
    assert after[-1].said == "helped"
    found = standing_of(verdict)
    assert found is not None
    assert found.kind == "helped"
    _, again = night(settings, 45)
    assert again == after


def test_a_restored_log_has_the_looks_of_the_newest_copy(settings):
    url = settings.resolved_intervention_log_url
    night(settings, 20)
    assert keep_nightly_copy(url) is not None
    _, taken = night(settings, 25)
    # Nothing was logged since the last copy but a look.
    keep_nightly_copy(url)
    log_file(url).write_bytes(b"damaged")  # pyright: ignore[reportOptionalMemberAccess]
    restore_log(url, settings.store_root)
    assert looks_at(settings, Snapshot(settings).intervention(KEY)) == taken


def test_a_clock_far_ahead_does_not_close_a_plan(settings):
    write_daily(settings, {"u": series(effect=6.0).iloc[:-20]})
    _, before = night(settings, 19)
    _, after = night(settings, 400)
    assert after == before
    assert after[-1].alpha_spent < 0.05


def test_the_plan_without_a_horizon_is_told_by_the_days_before(settings):
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.amend("u", "morning", looks="always_valid")
    log.close()
    frame = series(effect=40.0)
    write_daily(settings, {"u": frame})
    _, [look] = night(settings, 20)
    before = frame["value"].iloc[:40].std()
    x = (before / look.effect_sd) ** 2
    expected = math.sqrt(2.0 * (1.0 + 1.0 / x) * (0.5 * math.log1p(x) - math.log(0.1)))
    assert look.boundary == pytest.approx(expected, rel=1e-9)


def test_a_plan_comes_from_one_s_own_days_and_else_from_others(settings):
    before = settings.model_copy(update={"today_on": START_ON})
    plan, is_own = plan_for(Snapshot(before), "u", METRIC)
    assert is_own
    assert plan.n_baseline == 40
    other, is_own = plan_for(Snapshot(before), "nobody", METRIC, 5.0)
    assert not is_own
    assert other.n_people == 1
    with pytest.raises(NothingToPlanFromError, match="eight observed days"):
        plan_for(Snapshot(short_settings(settings.store_root / "empty")), "u", METRIC)


def test_a_logged_experiment_says_how_many_days_it_needs(settings):
    found = with_days_needed(settings, Snapshot(settings).prepare(KEY))
    assert found.planned_from == "own"
    assert found.planned_effect == pytest.approx(found.baseline_sd)
    assert found.days_needed is None or found.days_needed >= 8
