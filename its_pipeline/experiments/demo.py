"""The demo: a store of simulated people with planted truths, and how near the answers came.

What belongs here: setting the store up, and comparing estimates with the truth. What does not: the
people (`events.people`), running the jobs in between and printing (`cli.demo`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.experiments.publish import page_path
from its_pipeline.files.atomic import write_json
from its_pipeline.its.estimand_names import HEADLINE
from its_pipeline.settings import Settings

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.events.people import Person
    from its_pipeline.events.simulation import Simulation, Truth
    from its_pipeline.stores.verdict import Verdict

DEMO_SEED: Final = 7
#: People whose earlier weeks the demo lives through as well, one night a week.
LOOKED_AT_WEEKLY: Final = frozenset({"ada", "ben", "dana"})
_FIRST_NIGHT: Final = 9
#: At least this share of analysable experiments should have their truth inside the 95 % interval.
EXPECTED_COVERAGE: Final = 0.9


@dataclass(frozen=True)
class ExperimentResult:
    """One experiment of the demo: what was planted and what came out."""

    truth: Truth
    verdict: Verdict | None

    @property
    def effect(self) -> Any:
        """The estimated effect; None without a published one."""
        return (self.verdict.effects or {}).get(HEADLINE.name) if self.verdict else None

    @property
    def holds_truth(self) -> bool | None:
        """Whether the interval holds the planted effect; None without an interval."""
        if self.effect is None:
            return None
        lower, upper = self.effect["ci_lower"], self.effect["ci_upper"]
        return lower <= self.truth.counterfactual_effect <= upper


@dataclass(frozen=True)
class DemoResult:
    """What the demo came to.

    Attributes
    ----------
    experiments
        In the order of the simulation.
    computed
        How many analyses were sampled by this run.
    problems
        What is wrong; empty for a sound demo.
    covered, analysable
        Experiments with the truth inside the interval, of those that should have been analysed.
    """

    experiments: tuple[ExperimentResult, ...]
    computed: int
    problems: tuple[str, ...]
    covered: int
    analysable: int

    @property
    def well_covered(self) -> bool:
        """Whether the share of intervals that hold the truth is as expected."""
        return self.covered >= EXPECTED_COVERAGE * self.analysable


class ForeignStoreError(ValueError):
    """The store holds somebody's data; the demo does not mix with it."""


def demo_settings(base: Settings) -> Settings:
    """Return the settings of the demo in the store of `base`, and keep them in the store.

    Raises
    ------
    ForeignStoreError
        The store holds data that the demo did not make.
    """
    from its_pipeline.events.people import DEMO_DAYS, DEMO_START_ON

    own = {
        "source": "simulator",
        "today_on": (DEMO_START_ON + timedelta(days=DEMO_DAYS)).isoformat(),
    }
    file = base.installation_file
    if not file.is_file():
        if base.lake_dir.exists() or (base.store_root / "interventions.sqlite").exists():
            raise ForeignStoreError(
                f"{base.store_root} holds data of its own; set ITS_STORE_ROOT to an empty folder "
                "for the demo"
            )
        write_json(file, own)
    return Settings(**{**base.model_dump(exclude_unset=True), **own})


def first_people(count: int | None = None) -> tuple[Person, ...]:
    """Return the first `count` of the demo's people; all where it is None.

    Raises
    ------
    ValueError
        There are not so many.
    """
    from its_pipeline.events.people import demo_people

    people = demo_people()
    if count is not None and not 1 <= count <= len(people):
        raise ValueError(f"the demo has 1 to {len(people)} people but was asked for {count}")
    return people[:count]


def crowd(count: int) -> tuple[Person, ...]:
    """Return so many people: the demo's again and again, with a number behind their names.

    Each has days of their own, and the same true effects as whom they are named after.

    Raises
    ------
    ValueError
        The number is below 1.
    """
    from its_pipeline.events.people import demo_people

    if count < 1:
        raise ValueError(f"people must be at least 1 but got {count}")
    people = demo_people()
    rounds = -(-count // len(people))
    again = [
        person if not n else replace(person, user_id=f"{person.user_id}-{n + 1}")
        for n in range(rounds)
        for person in people
    ]
    return tuple(again[:count])


def prepare_demo(settings: Settings, people: Sequence[Person]) -> Simulation:
    """Simulate the people, register their metrics and log their interventions; idempotent."""
    from its_pipeline.events.interventions import open_log
    from its_pipeline.events.metrics import write_metrics_file
    from its_pipeline.events.people import DEMO_DAYS, DEMO_START_ON, demo_metrics
    from its_pipeline.events.simulator import simulate
    from its_pipeline.events.sources.opening import simulation_dir

    metrics_file = settings.store_root / "metrics.yaml"
    if not metrics_file.is_file():
        write_metrics_file(metrics_file, demo_metrics())
    simulation = simulate(
        people, simulation_dir(settings), seed=DEMO_SEED, start_on=DEMO_START_ON, days=DEMO_DAYS
    )
    log = open_log(settings)
    try:
        for now, entries in _by_instant(people).items():
            log.log_all(entries, now)
    finally:
        log.close()
    return simulation


def _by_instant(people: Sequence[Person]) -> dict[datetime | None, list[Intervention]]:
    """Return what people log, by the instant at which they do; None is the clock's.

    The demo's days lie in the past of a pretended today. A lot is logged when the person draws it
    there: written now, the log would say, as it should, that it was drawn after its days.
    """
    from its_pipeline.events.people import DEMO_START_ON

    found: dict[datetime | None, list[Intervention]] = {}
    for entry in (entry for person in people for entry in person.log_entries(DEMO_START_ON)):
        lot = entry.schedule.mechanism if entry.schedule is not None else None
        found.setdefault(None if lot is None else lot.drawn_at, []).append(entry)
    return found


def live_earlier_nights(settings: Settings, simulation: Simulation) -> int:
    """Evaluate some experiments as the nights of earlier weeks would have, so that looks add up.

    Repeated, nothing is computed: what an earlier night saw is known, and no look is taken twice.

    Returns
    -------
    int
        How many nights were lived.
    """
    from its_pipeline.experiments.looking import looks_at
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import fit_prepared

    n_nights = 0
    end_on = settings.utc_today()
    for truth in simulation.truth:
        if truth.user_id not in LOOKED_AT_WEEKLY:
            continue
        key = f"{truth.user_id}|{truth.intervention_id}"
        intervention = Snapshot(settings).intervention(key)
        if looks_at(settings, intervention):
            continue
        night_on = intervention.started_on + timedelta(days=_FIRST_NIGHT)
        while night_on < end_on:
            then = settings.model_copy(update={"today_on": night_on})
            fit_prepared(then, Snapshot(then).prepare(key), audit_share=0.0)
            n_nights += 1
            night_on += timedelta(days=7)
    return n_nights


def demo_result(settings: Settings, simulation: Simulation, computed: int) -> DemoResult:
    """Compare what came out with what was planted.

    Returns
    -------
    DemoResult
        Its problems name everything that contradicts the pipeline's promises: an effect without
        convergence, a page of one that was not published, one in another state than planted.
    """
    from its_pipeline.experiments.service import open_store

    store = open_store(settings)
    experiments = tuple(
        ExperimentResult(truth, store.verdict(f"{truth.user_id}|{truth.intervention_id}"))
        for truth in simulation.truth
    )
    problems = [problem for each in experiments for problem in _problems(settings, each)]
    analysable = [each for each in experiments if each.truth.expected == "analysed"]
    return DemoResult(
        experiments,
        computed,
        tuple(problems),
        sum(each.holds_truth is True for each in analysable),
        len(analysable),
    )


def _problems(settings: Settings, result: ExperimentResult) -> list[str]:
    truth, verdict = result.truth, result.verdict
    key = f"{truth.user_id}|{truth.intervention_id}"
    if verdict is None:
        return [f"{key} has no verdict"]
    found = []
    if verdict.status != truth.expected:
        found.append(f"{key} is {verdict.status} but should be {truth.expected}: {verdict.reason}")
    if verdict.effects is not None and verdict.converged is not True:
        found.append(f"{key} has an effect without convergence")
    plots = list(page_path(settings, key).parent.glob("*.png"))
    if plots and verdict.status != "analysed":
        found.append(f"{key} has published plots but is {verdict.status}")
    return found


def index_page(settings: Settings) -> Path:
    """Return the index page of all experiments."""
    return settings.reports_dir / "index.html"
