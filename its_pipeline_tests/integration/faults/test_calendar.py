"""Clock and calendar: days of 23 and 25 hours, a leap day, events at midnight, far zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from its_pipeline.events.daily import read_series
from its_pipeline.events.importing import import_file
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.ingest import daily
from its_pipeline.ingest import steps as ingest
from its_pipeline.settings import Settings

METRIC = "sessionPerformanceScore"
LAST_MOMENT = timedelta(microseconds=1)

CASES = [
    # user, zone, first local day, number of days, the odd day, its hours
    ("auckland-autumn", "Pacific/Auckland", date(2026, 3, 22), 28, date(2026, 4, 5), 25),
    ("auckland-spring", "Pacific/Auckland", date(2025, 9, 14), 28, date(2025, 9, 28), 23),
    ("honolulu", "Pacific/Honolulu", date(2026, 3, 15), 28, date(2026, 3, 29), 24),
    ("berlin-spring", "Europe/Berlin", date(2026, 3, 15), 28, date(2026, 3, 29), 23),
    ("berlin-autumn", "Europe/Berlin", date(2025, 10, 12), 28, date(2025, 10, 26), 25),
    ("leap-year", "America/New_York", date(2024, 2, 15), 28, date(2024, 2, 29), 24),
]


def midnight(day: date, zone: str) -> datetime:
    """Return the first instant of a local day, UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Ingest two events a local day: one in its first, one in its last microsecond."""
    root = tmp_path_factory.mktemp("calendar")
    settings = Settings(store_root=root / "store")
    rows = ["who,zone,at,score"]
    for user, zone, first, days, _, _ in CASES:
        for number in range(days):
            day = first + timedelta(days=number)
            begin = midnight(day, zone)
            end = midnight(day + timedelta(days=1), zone) - LAST_MOMENT
            rows += [f"{user},{zone},{at.isoformat()},{10 + number}" for at in (begin, end)]
    file = root / "events.csv"
    file.write_text("\n".join(rows) + "\n")
    mapping = ImportMapping(
        time="at", user="who", time_zone_column="zone", outcomes={METRIC: "score"},
        event_type="SESSION_ENDED",
    )  # fmt: skip
    import_file(settings, file, mapping)
    for day in ingest.changed_days(settings):
        ingest.export_day(settings, day)
        assert ingest.validate_day_partition(settings, day).summary.rejected == 0
    daily.build_daily(settings)
    return settings


@pytest.mark.parametrize(("user", "zone", "first", "days", "odd", "hours"), CASES)
def test_every_local_day_has_its_own_two_events(store, user, zone, first, days, odd, hours):
    length = midnight(odd + timedelta(days=1), zone) - midnight(odd, zone)
    assert length == timedelta(hours=hours)
    series = read_series(store.daily_outcomes_path, user, METRIC)
    expected = [first + timedelta(days=number) for number in range(days)]
    assert odd in expected
    assert [day.date() for day in series["day"]] == expected
    assert series["n_events"].tolist() == [2] * days
    assert series["value"].tolist() == [10.0 + number for number in range(days)]


@pytest.mark.parametrize(("user", "zone", "first", "days", "odd", "hours"), CASES)
def test_an_intervention_on_the_odd_day_splits_the_days_there(
    store, user, zone, first, days, odd, hours
):
    log = InterventionLog(store.resolved_intervention_log_url)
    try:
        log.log(
            user_id=user, intervention_id="odd-day", outcome_metric=METRIC, started_on=odd,
            time_zone=zone, name="Starts on the odd day",
        )  # fmt: skip
    finally:
        log.close()
    plan = Snapshot(store).prepare(f"{user}|odd-day").plan
    assert plan.n_pre == (odd - first).days
    assert plan.n_post == days - plan.n_pre
    assert plan.state == "ready"


def test_a_day_is_complete_at_each_persons_own_midnight(tmp_path, monkeypatch):
    """At 2026-04-05 10:30 UTC it is the 5th in Honolulu and Auckland, at 13:00 the 6th there."""
    from its_pipeline.experiments import window

    class Clock(datetime):
        instant = datetime(2026, 4, 5, 10, 30, tzinfo=UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.instant.astimezone(tz)

    monkeypatch.setattr(window, "datetime", Clock)
    assert window.last_complete_day("Pacific/Auckland") == date(2026, 4, 4)
    assert window.last_complete_day("Pacific/Honolulu") == date(2026, 4, 4)
    Clock.instant = datetime(2026, 4, 5, 13, 0, tzinfo=UTC)
    assert window.last_complete_day("Pacific/Auckland") == date(2026, 4, 5)
    Clock.instant = datetime(2026, 4, 5, 9, 30, tzinfo=UTC)
    assert window.last_complete_day("Pacific/Honolulu") == date(2026, 4, 3)
