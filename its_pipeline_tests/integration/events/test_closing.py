"""How long events are kept: days are closed, their outcomes stay, what comes late is refused."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pandas as pd
import pyarrow.parquet as pq
import pytest

from its_pipeline.events.closed_days import ClosedDayError, ClosedDaysError, closed_days
from its_pipeline.experiments.doctor import findings
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.ingest import closing as closing_module
from its_pipeline.ingest.closing import close_old_days, refuse_late_events
from its_pipeline.ingest.daily import build_daily, ensure_daily
from its_pipeline.ingest.steps import (
    changed_days,
    export_day,
    ingest_days,
    open_lake,
    unvalidated_days,
)
from tools.closing_store import START_ON, TODAY_ON, build, rows, settings_of, take

TABLES = ("behavioral_events", "valid_events", "rejected_events")
#: Events are kept for 90 days, and those of the last two closed days as well.
THROUGH = TODAY_ON - timedelta(days=89)
GONE = THROUGH - timedelta(days=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store in which no day is closed, with its daily outcomes."""
    settings = build(tmp_path_factory.mktemp("closing") / "store")
    build_daily(settings)
    return settings


@pytest.fixture
def store(whole, tmp_path):
    shutil.copytree(whole.store_root, tmp_path / "store")
    return settings_of(tmp_path / "store")


def outcomes(settings):
    build_daily(settings)
    return settings.daily_outcomes_path.read_bytes()


def ingest(settings):
    for portion in ingest_days(settings, changed_days(settings)):
        assert not [day.failure for day in portion if day.failure]


def late_row(day, score=50.0, who="ada"):
    return pd.DataFrame([(f"{day}T11:00:00Z", who, "UTC", score)], columns=list(rows().columns))


def test_events_go_and_the_daily_outcomes_stay_the_same_bytes(store, whole):
    expected = whole.daily_outcomes_path.read_bytes()
    found = close_old_days(store)
    assert (found.through, found.waiting_for) == (THROUGH, None)
    assert found.deleted == (GONE - START_ON).days + 1
    for table in TABLES:
        assert min(open_lake(store).days(table)) == GONE + timedelta(days=1)
    assert outcomes(store) == expected
    assert close_old_days(store).deleted == 0
    # Night after night, one day more; somebody was away from closed days to open ones.
    for night in (1, 2, 30, 89):
        later = settings_of(store.store_root, today_on=TODAY_ON + timedelta(days=night))
        assert close_old_days(later).closed
        assert outcomes(later) == expected
        assert not changed_days(later)
        assert not unvalidated_days(later)
    assert len(list((store.store_root / "closed_days").glob("0*"))) == 1


def test_outcomes_lost_with_the_events_gone_are_made_again(store, whole):
    close_old_days(store)
    for table in TABLES:
        shutil.rmtree(store.lake_dir / table)
    store.daily_outcomes_path.unlink()
    store.warehouse_path.unlink()
    assert ensure_daily(store)
    assert store.warehouse_path.is_file()
    kept = pq.read_table(store.daily_outcomes_path).to_pandas()
    expected = pq.read_table(whole.daily_outcomes_path).to_pandas()
    expected = expected[expected["day"] <= THROUGH - timedelta(days=1)]
    pd.testing.assert_frame_equal(kept, expected.reset_index(drop=True))


def test_nothing_is_closed_unless_it_was_asked_for(store):
    forever = settings_of(store.store_root, keep_events_days=None)
    assert close_old_days(forever).through is None
    assert not (store.store_root / "closed_days").exists()
    with pytest.raises(ValueError, match="greater than or equal to 90"):
        settings_of(store.store_root, keep_events_days=30)


def test_what_comes_for_closed_days_is_refused_and_for_open_ones_taken(store):
    close_old_days(store)
    before = pq.read_table(store.daily_outcomes_path).to_pandas()
    closed = [START_ON + timedelta(days=2), THROUGH, THROUGH - timedelta(days=1)]
    early, opened = START_ON - timedelta(days=7), THROUGH + timedelta(days=1)
    late = [late_row(day) for day in (*closed, closed[0], early, opened)]
    take(store, pd.concat([rows(), *late]))
    assert changed_days(store) == [opened]
    found = {one.day: one.rows for one in refuse_late_events(store)}
    assert found == {early: 1, closed[0]: 2, closed[1]: 1, closed[2]: 1}
    assert not list(refuse_late_events(store))
    ingest(store)
    for day, count in found.items():
        refused = open_lake(store).read("rejected_events", day).to_pylist()
        assert [row["rule"] for row in refused] == ["day_is_open"] * count
        assert {row["value"][:10] for row in refused} == {day.isoformat()}
        assert {row["all_rules"] for row in refused} == {"day_is_open(occurred_at)"}
    outcomes(store)
    after = pq.read_table(store.daily_outcomes_path).to_pandas()
    changed = pd.concat([before, after]).drop_duplicates(keep=False)
    assert set(changed["user_id"]) == {"ada"}
    # 11:00 UTC of the first open day, a day of which nothing is closed where they were.
    assert set(changed["day"]) == {opened}


def test_what_was_refused_is_kept_as_long_as_any_event_and_then_forgotten(store):
    close_old_days(store)
    day = START_ON + timedelta(days=2)
    take(store, pd.concat([rows(), late_row(day)]))
    assert [one.rows for one in refuse_late_events(store)] == [1]
    lake = open_lake(store)
    for later, is_kept in ((1, True), (90, True), (91, False)):
        then = settings_of(store.store_root, today_on=TODAY_ON + timedelta(days=later))
        close_old_days(then)
        assert (day in lake.days("rejected_events")) == is_kept
        assert not list(refuse_late_events(then))


def test_a_closed_day_is_not_made_again(store):
    close_old_days(store)
    with pytest.raises(ClosedDayError, match=f"up to {THROUGH} are closed"):
        export_day(store, START_ON)


def test_days_wait_whose_events_are_not_taken_in(store):
    take(store, pd.concat([rows(), late_row(START_ON + timedelta(days=5))]))
    found = close_old_days(store)
    assert found.waiting_for == START_ON + timedelta(days=5)
    assert found.through == START_ON + timedelta(days=4)
    ingest(store)
    expected = outcomes(store)
    assert close_old_days(store).through == THROUGH
    assert outcomes(store) == expected


class _BrokenOffError(Exception):
    pass


@pytest.mark.parametrize("place", ["write_closed_days", "_delete_events", "_mark_events"])
def test_broken_off_it_is_gone_on_with(store, whole, monkeypatch, place):
    def broken(*_):
        raise _BrokenOffError

    with monkeypatch.context() as patch:
        patch.setattr(closing_module, place, broken)
        with pytest.raises(_BrokenOffError):
            close_old_days(store)
    assert outcomes(store) == whole.daily_outcomes_path.read_bytes()
    close_old_days(store)
    assert outcomes(store) == whole.daily_outcomes_path.read_bytes()
    assert min(open_lake(store).days("behavioral_events")) == GONE + timedelta(days=1)
    assert not list(store.store_root.rglob(f"{UNFINISHED_PREFIX}*"))


def test_damage_to_what_nothing_makes_again_is_said_and_nothing_is_built_without_it(store):
    close_old_days(store)
    kept = closed_days(store)
    assert kept is not None
    assert not list(findings(store))
    content = bytearray(kept.outcomes.read_bytes())
    content[len(content) // 2] ^= 1
    kept.outcomes.write_bytes(content)
    (finding,) = findings(store)
    assert finding.path == kept.folder
    assert "backup" in finding.remedy
    assert not finding.is_derived
    before = store.daily_outcomes_path.read_bytes()
    with pytest.raises(ClosedDaysError, match="put this folder back from a backup"):
        build_daily(store)
    assert store.daily_outcomes_path.read_bytes() == before
