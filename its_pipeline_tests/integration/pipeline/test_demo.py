"""The demo's own log: a lot counts as drawn when it was in the demo's time, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime

from its_pipeline.events.interventions import open_log
from its_pipeline.events.people import DEMO_DRAWN_AT, DEMO_START_ON, demo_people
from its_pipeline.experiments.demo import demo_settings, prepare_demo
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.settings import Settings


def _schedule(entry) -> Schedule:
    assert entry.schedule is not None
    return entry.schedule


def _drawn_at(entry):
    lot = _schedule(entry).mechanism
    assert lot is not None
    return lot.drawn_at


def _lots(settings):
    log = open_log(settings)
    found = [entry for entry in log.list() if entry.schedule and entry.schedule.mechanism]
    log.close()
    return found


def test_the_demo_logs_its_lot_when_it_was_drawn(tmp_path):
    settings = demo_settings(Settings(store_root=tmp_path / "store"))
    people = demo_people()
    prepare_demo(settings, people)
    [omar] = _lots(settings)
    assert _drawn_at(omar) == DEMO_DRAWN_AT
    assert _schedule(omar).in_zone(omar.time_zone).is_randomised
    prepare_demo(settings, people)
    assert _lots(settings) == [omar], "the demo can be run again"
    snapshot = Snapshot(settings)
    assert len(snapshot.experiment_keys()) == 19
    assert len(snapshot.interventions["pia"]) == 2
    assert all(e.schedule is None for e in snapshot.interventions["ada"])


def test_elsewhere_a_lot_counts_from_when_it_was_logged(tmp_path):
    settings = demo_settings(Settings(store_root=tmp_path / "store"))
    [omar] = [person for person in demo_people() if person.user_id == "omar"]
    [entry] = omar.log_entries(DEMO_START_ON)
    assert _schedule(entry).is_randomised
    log = open_log(settings)
    now = datetime(2026, 5, 2, 9, tzinfo=UTC)
    [logged] = log.log_all([entry], now)
    log.close()
    assert _drawn_at(logged) == now > DEMO_DRAWN_AT
    assert not _schedule(logged).is_randomised
