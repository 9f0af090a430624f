"""Simulated people: the knobs of one, and the demo's people with what happens in their lives.

Only declarations. Drawing their events belongs to `simulator`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from its_pipeline.events.example_metrics import EXAMPLES
from its_pipeline.events.intervention import Direction, Intervention
from its_pipeline.events.keys import validate_id
from its_pipeline.events.metrics import SESSION_PERFORMANCE, OutcomeMetric
from its_pipeline.schedules.assignments import draw_schedule
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule

DISTRACTION_MINUTES = "distractionMinutes"
COFFEES_PER_DAY = "coffeesPerDay"
SLEPT_THROUGH = "sleptThrough"

Kind = Literal["measured", "counted", "yes_no"]
ExpectedState = Literal["analysed", "waiting", "refused"]

DEMO_START_ON = date(2026, 2, 1)
"""First simulated day; zones with daylight-saving time change within the demo's 90 days."""
DEMO_DAYS = 90
DEMO_STARTED_AFTER = 50
"""Days ahead of each demo intervention; the other 40 are post."""
WAITING_POST_DAYS = 5
DEMO_LOT = Mechanism(balance="block", block_days=8, longest_run=3, seed=7)
DEMO_DRAWN_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
"""Instant of the demo's lot, in its own pretended time: ahead of every day that it draws."""


@dataclass(frozen=True)
class Defects:
    """What is wrong with a person's events besides.

    Attributes
    ----------
    malformed
        Number of extra events that break a rule of the contract.
    duplicates
        Number of events delivered a second time, half of them with an outdated value.
    late
        Number of events that arrive one to five days after they happened.
    """

    malformed: int = 0
    duplicates: int = 0
    late: int = 0


@dataclass(frozen=True)
class Planted:
    """One intervention of a simulated person, and what it does.

    On the `d`-th day from the first one on, from 0, the effect is `immediate + slope_per_week * d /
    7` where the intervention is on, and nothing where it is off.

    Attributes
    ----------
    intervention_id
        Which one.
    immediate, slope_per_week
        The planted effects, in outcome units.
    started_after_days
        First day on, for good; days count from the first simulated one.
    schedule
        The days on in the place of these; with a lot, `drawn_at` says when it was drawn.
    story
        One line for the demo's table.
    """

    intervention_id: str
    immediate: float = 0.0
    slope_per_week: float = 0.0
    started_after_days: int = DEMO_STARTED_AFTER
    schedule: Schedule | None = None
    story: str = ""

    def __post_init__(self) -> None:
        validate_id("intervention_id", self.intervention_id)

    def schedule_from(self, start_on: date) -> Schedule:
        """Return the days on in a simulation that starts on `start_on`."""
        return self.schedule or Schedule.since(start_on + timedelta(days=self.started_after_days))


@dataclass(frozen=True)
class Person:
    """One simulated person with one intervention or several on one outcome.

    The daily outcome is `level + trend + weekend + AR(1) + effects`; each session's value is that
    plus noise of its own. All in outcome units; days count from the first simulated day. What is
    counted, or ticked as yes or no, is one event a day (`counting`).

    Attributes
    ----------
    user_id, time_zone
        Who and where.
    story, intervention_id, started_after_days, immediate, slope_per_week, schedule
        The first intervention; see `Planted`.
    level, trend_per_week, weekend
        Level ahead of the intervention, its drift, and what Saturdays and Sundays add.
    sd, rho
        Marginal standard deviation and lag-1 autocorrelation of the daily AR(1) noise.
    session_sd, sessions_per_day
        Noise of a session's value within its day; sessions on an average day (at least 2).
    missing_share
        Share of days without any event.
    outlier_week
        First day and shift of seven odd days, or None.
    constant
        Whether every session has the value `level` exactly.
    other_events
        Events around each session that carry no outcome.
    usual_hour
        Local hour around which sessions end, 7 to 20.
    outcome_metric, direction
        What is measured and which change is the benefit.
    expected
        What should come of the experiment.
    defects
        What is wrong with the events.
    also
        Interventions beside the first one.
    kind
        Whether days are measured, counted, or yes/no. Of counts `level` is the usual rate, of
        yes/no the usual probability, and `sd` that of noise in their log or log odds.
    ratio
        Of counts and yes/no: what the intervention multiplies the rate or the odds by.
    """

    user_id: str
    time_zone: str = "UTC"
    story: str = ""
    intervention_id: str = "new_habit"
    started_after_days: int = DEMO_STARTED_AFTER
    immediate: float = 0.0
    slope_per_week: float = 0.0
    level: float = 55.0
    trend_per_week: float = 0.0
    weekend: float = 0.0
    sd: float = 4.0
    rho: float = 0.2
    session_sd: float = 5.0
    sessions_per_day: int = 5
    missing_share: float = 0.0
    outlier_week: tuple[int, float] | None = None
    constant: bool = False
    other_events: int = 2
    usual_hour: float = 15.0
    outcome_metric: str = SESSION_PERFORMANCE
    direction: Direction = "increase"
    expected: ExpectedState = "analysed"
    defects: Defects = field(default_factory=Defects)
    schedule: Schedule | None = None
    also: tuple[Planted, ...] = ()
    kind: Kind = "measured"
    ratio: float = 1.0

    def __post_init__(self) -> None:
        validate_id("user_id", self.user_id)
        ids = [planted.intervention_id for planted in self.interventions]
        if len(set(ids)) != len(ids):
            raise ValueError(
                f"interventions of a person must differ in intervention_id but {self.user_id!r} "
                f"has {', '.join(ids)}; rename one"
            )
        if self.kind != "measured" and (self.also or self.immediate or self.slope_per_week):
            raise ValueError(
                f"what is {self.kind} has one intervention, whose effect is its ratio, but "
                f"{self.user_id!r} has another effect; leave it out"
            )
        limits = {
            "rho": (0.0, 0.99),
            "missing_share": (0.0, 0.95),
            "sessions_per_day": (2, 1000),
            "other_events": (0, 1000),
            "usual_hour": (7.0, 20.0),
            "sd": (0.0, 100.0),
            "session_sd": (0.0, 100.0),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} must be in [{least}, {most}] but got {value}")

    @property
    def interventions(self) -> tuple[Planted, ...]:
        """All interventions, the first one ahead."""
        first = Planted(
            self.intervention_id,
            self.immediate,
            self.slope_per_week,
            self.started_after_days,
            self.schedule,
            self.story,
        )
        return (first, *self.also)

    def log_entries(self, start_on: date) -> tuple[Intervention, ...]:
        """Return what the person logs in a simulation that starts on `start_on`."""
        return tuple(
            Intervention.declared(
                user_id=self.user_id,
                intervention_id=planted.intervention_id,
                outcome_metric=self.outcome_metric,
                schedule=planted.schedule_from(start_on),
                name=planted.intervention_id.replace("_", " "),
                direction=self.direction,
                hypothesis=f"simulated: {planted.story}" if planted.story else "simulated",
                time_zone=self.time_zone,
            )
            for planted in self.interventions
        )


def demo_metrics() -> tuple[OutcomeMetric, ...]:
    """Return the metrics the demo registers beside the shipped one."""
    return EXAMPLES


def demo_people() -> tuple[Person, ...]:
    """Return the demo's people: each a thing that happens in life."""
    return (
        Person("ada", "Europe/Berlin", "clear immediate effect", "morning_study", immediate=8.0),
        Person("ben", "America/New_York", "slow slope change", "daily_review", slope_per_week=2.0),
        Person(
            "chen",
            "Asia/Shanghai",
            "immediate and slope",
            "spaced_cards",
            immediate=5.0,
            slope_per_week=1.5,
        ),
        Person("dana", "Europe/London", "no effect at all", "green_tea"),
        Person("eli", "America/Sao_Paulo", "harmful", "late_nights", immediate=-12.0),
        Person(
            "fay",
            "Asia/Kolkata",
            "a decrease is the benefit",
            "phone_away",
            immediate=-9.0,
            level=40.0,
            outcome_metric=DISTRACTION_MINUTES,
            direction="decrease",
        ),
        Person(
            "gus",
            "Europe/Madrid",
            "a third of days missing",
            "short_breaks",
            immediate=7.0,
            missing_share=1 / 3,
        ),
        Person(
            "hana", "Asia/Tokyo", "strong autocorrelation", "fixed_bedtime", immediate=9.0, rho=0.7
        ),
        Person(
            "ivo",
            "Pacific/Auckland",
            "strong weekend pattern",
            "weekend_plan",
            immediate=6.0,
            weekend=-12.0,
        ),
        Person(
            "jo",
            "Pacific/Honolulu",
            "an outlier week",
            "quiet_room",
            immediate=8.0,
            outlier_week=(20, -15.0),
        ),
        Person(
            "kim",
            "Asia/Kathmandu",
            "too few post days yet",
            "cold_shower",
            started_after_days=DEMO_DAYS - WAITING_POST_DAYS,
            immediate=5.0,
            expected="waiting",
        ),
        Person(
            "lee",
            "Africa/Nairobi",
            "constant outcome",
            "gold_stars",
            constant=True,
            expected="refused",
        ),
        Person(
            "mia",
            "America/Los_Angeles",
            "malformed, duplicate and late events",
            "new_desk",
            immediate=7.0,
            defects=Defects(malformed=24, duplicates=30, late=40),
        ),
        Person(
            "nia",
            "Europe/Lisbon",
            "back and forth: three times 15 days on",
            "screen_break",
            immediate=6.0,
            schedule=Schedule.periods(
                [
                    (_demo_day(15), _demo_day(29)),
                    (_demo_day(45), _demo_day(59)),
                    (_demo_day(75), None),
                ]
            ),
        ),
        Person(
            "omar",
            "Asia/Dubai",
            "days by lot: half of 56, drawn beforehand",
            "magnesium",
            immediate=5.0,
            schedule=draw_schedule(DEMO_LOT, _demo_day(34), 56, DEMO_DRAWN_AT),
        ),
        Person(
            "pia",
            "Europe/Helsinki",
            "two at once: this one helps",
            "evening_walk",
            immediate=7.0,
            schedule=Schedule.periods([(_demo_day(30), _demo_day(64))]),
            also=(
                Planted(
                    "blue_light",
                    schedule=Schedule.periods([(_demo_day(50), None)]),
                    story="two at once: this one does nothing",
                ),
            ),
        ),
        Person(
            "quinn",
            "Europe/Rome",
            "a count: the rate is 0.6 times what it was",
            "small_cups",
            level=6.0,
            sd=0.15,
            outcome_metric=COFFEES_PER_DAY,
            direction="decrease",
            kind="counted",
            ratio=0.6,
        ),
        Person(
            "rosa",
            "America/Lima",
            "yes or no: the odds are 6 times what they were",
            "dark_room",
            level=0.4,
            sd=0.3,
            outcome_metric=SLEPT_THROUGH,
            kind="yes_no",
            ratio=6.0,
        ),
    )


def _demo_day(number: int) -> date:
    return DEMO_START_ON + timedelta(days=number)
