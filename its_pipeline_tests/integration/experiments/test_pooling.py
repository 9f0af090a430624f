"""Kinds from real analyses in a real store: the same numbers by hand, made anew where they must."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.events.interventions import open_log
from its_pipeline.experiments import pooled_record, pooling
from its_pipeline.experiments.kinds import KindKey
from its_pipeline.experiments.pooling import MOST_ERROR_SDS, has_kinds, refresh_kinds
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment, load_analysis, open_store
from its_pipeline.its.effect_likelihood import estimate_of
from its_pipeline.its.pooling.between_case import between_case
from its_pipeline.its.pooling.between_case_reml import between_case_reml
from its_pipeline.its.pooling.pool import pool
from its_pipeline.leaving.forget import forget
from its_pipeline.stores.person_traits import remove_trait, set_traits
from its_pipeline.stores.pooled_results import PooledResult, TooFewPeople
from its_pipeline.stores.pooled_store import PooledStore
from tools.kinds import pooled_result
from tools.leftovers import leftovers
from tools.stores import (
    METRIC,
    START_ON,
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)

WALK, TEA = KindKey("walk", METRIC), KindKey("tea", METRIC)
WALKERS = [f"walker-{n}" for n in range(6)]
#: Drank tea; as few as the setting allows.
DRINKERS = ["ann-drinks", "ben-drinks", "cat-drinks"]


def days(short=("short",)):
    people = {who: series(24, 24, effect=2.0 + n, seed=n) for n, who in enumerate(WALKERS)}
    people |= {who: series(24, 24, effect=-1.0, seed=20 + n) for n, who in enumerate(DRINKERS)}
    return people | {who: series(24, 3, seed=40) for who in short}


def analyse(settings, *users):
    snapshot = Snapshot(settings)
    for key in snapshot.experiment_keys():
        if not users or key.split("|")[0] in users:
            fit_experiment(snapshot, key)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store in which ten people tried two things, all of them analysed."""
    settings = short_settings(tmp_path_factory.mktemp("kinds") / "store", pooled_min_people=3)
    write_daily(settings, days())
    for number, who in enumerate(WALKERS):
        log_intervention(
            settings,
            who,
            kind="walk",
            direction="decrease" if number == 5 else "increase",
            minimum_effect=float(number),
        )
    log_intervention(settings, "short", kind="walk", ended_on=series(24, 3)["day"].iloc[-1].date())
    for who in DRINKERS:
        log_intervention(settings, who, intervention_id="tea")
    analyse(settings)
    return settings


@pytest.fixture
def settings(made, tmp_path):
    """A copy to change."""
    shutil.copytree(made.store_root, tmp_path / "store")
    return made.model_copy(update={"store_root": tmp_path / "store"})


def kept(settings, key) -> Any:
    record = PooledStore(settings).read(*key)
    assert isinstance(record, PooledResult)
    return record


def own_estimate(settings, verdict):
    analysis = load_analysis(settings, verdict)
    assert analysis is not None
    return estimate_of(analysis, verdict.user_id)


def made_anew(settings, **options):
    done = refresh_kinds(settings, **options)
    return {kind.key for kind in done.kinds if kind.made}


def test_a_kind_is_the_pool_of_its_members_stored_analyses(settings):
    assert made_anew(settings) == {WALK, TEA}
    store: Any = open_store(settings)
    verdicts = {who: store.verdict(f"{who}|morning") for who in WALKERS}
    by_hand = pool(
        [own_estimate(settings, verdicts[who]) for who in WALKERS],
        minimum_effect=2.5,
        without_estimate={"stopped early": 1},
    )
    record = kept(settings, WALK)
    assert vars(record.mean).items() <= vars(by_hand.mean).items()
    assert vars(record.next_person).items() <= vars(by_hand.next_person).items()
    assert vars(record.spread).items() <= vars(by_hand.spread).items()
    assert record.probability_helps_people == by_hand.probability_helps_people
    assert record.probability_next_benefits == by_hand.probability_next_benefits
    assert by_hand.imputed is not None
    assert record.imputed is not None
    assert vars(record.imputed.mean).items() <= vars(by_hand.imputed.mean).items()
    assert record.imputed.n_people == 1
    assert vars(record.heavy_tailed.mean).items() <= vars(by_hand.heavy_tailed.mean).items()
    assert record.error == by_hand.error < MOST_ERROR_SDS
    assert (record.unit, record.pooled_in) == ("points", "unit")
    # Five of six meant an increase; half of them wanted at least 2.5.
    assert (record.direction, record.minimum_effect) == ("increase", 2.5)
    assert record.without_estimate == {"stopped early": 1}
    for each in record.members:
        row = by_hand.members.loc[each.user_id]
        assert (each.own_mean, each.own_sd, each.mean, each.sd) == tuple(
            row[["own_mean", "own_sd", "mean", "sd"]]
        )
        assert each.probability_of_benefit == row["probability_of_benefit"]
        moved = by_hand.leave_one_out.loc[each.user_id, "moved_in_sds"]
        assert (each.moved_in_sds, each.weight) == (
            moved,
            by_hand.heavy_tailed.weights[each.user_id],
        )
        assert each.fingerprint == verdicts[each.user_id].fingerprint
        assert (each.n_days, each.design) == (48, "change")
    assert [each.user_id for each in record.members] == WALKERS


def test_only_what_changed_is_made_anew(settings):
    refresh_kinds(settings)
    before = kept(settings, TEA)
    assert made_anew(settings) == set()
    people = days()
    people[WALKERS[2]] = with_another_last_day(people[WALKERS[2]])
    write_daily(settings, people)
    assert made_anew(settings) == set()
    analyse(settings, WALKERS[2])
    earlier = kept(settings, WALK)
    assert made_anew(settings) == {WALK}
    now = kept(settings, WALK)
    assert kept(settings, TEA) == before
    assert now.mean != earlier.mean
    changed = {
        new.user_id
        for new, old in zip(now.members, earlier.members, strict=True)
        if new.own_mean != old.own_mean
    }
    assert changed == {WALKERS[2]}
    assert made_anew(settings, only=[TEA], force=True) == {TEA}


def test_the_settings_of_metric_and_installation_make_it_anew(settings):
    refresh_kinds(settings)
    in_points = kept(settings, WALK)
    declared(settings, pooled_in="baseline_sd")
    assert made_anew(settings) == {WALK, TEA}
    in_sds = kept(settings, WALK)
    assert (in_sds.unit, in_sds.pooled_in, in_sds.baseline_sd) == (
        "sd of the baseline", "baseline_sd", 1.0
    )  # fmt: skip
    assert in_sds.mean.mean == pytest.approx(in_points.mean.mean / in_points.baseline_sd, rel=0.15)
    assert in_sds.minimum_effect == pytest.approx(2.5 / in_points.baseline_sd, rel=0.3)
    more = settings.model_copy(update={"pooled_min_people": 7})
    done = refresh_kinds(more)
    [walk] = done.kinds
    assert isinstance(walk.record, TooFewPeople)
    assert (walk.record.n_with_estimate, walk.record.needed) == (6, 7)
    assert done.removed == (TEA,)
    assert PooledStore(settings).read(*TEA) is None


def declared(settings, **changes):
    """Declare the outcome metric otherwise."""
    metric = {
        "name": METRIC,
        "event_types": ["SESSION_ENDED"],
        "column": "session_performance_score",
        "minimum": 0,
        "maximum": 100,
        "unit": "points",
        **changes,
    }
    (settings.store_root / "metrics.yaml").write_text(yaml.safe_dump({"metrics": [metric]}))


def test_declared_traits_tell_whom_it_helps_more(settings):
    refresh_kinds(settings)
    assert kept(settings, WALK).traits is None
    declared(settings, pooled_by=["age"])
    assert made_anew(settings) == {WALK, TEA}
    assert "fewer than 3 people" in kept(settings, WALK).traits.refused
    rows = pd.DataFrame({"user_id": WALKERS, "trait": "age", "value": [30.0 + n for n in range(6)]})
    set_traits(settings, rows)
    assert made_anew(settings) == {WALK}
    found = kept(settings, WALK).traits
    assert (found.n_people, found.n_without, found.refused) == (6, 0, "")
    # Each walker's effect is one larger than the one's before.
    assert found.slopes[0].ci_lower < 1.0 < found.slopes[0].ci_upper
    assert found.slopes[0].probability_positive > 0.8
    set_traits(settings, rows.iloc[:1].assign(value=60.0))
    assert made_anew(settings) == {WALK}
    assert kept(settings, WALK).traits.slopes[0].mean < found.slopes[0].mean
    remove_trait(settings, "age", WALKERS[0])
    assert made_anew(settings) == {WALK}
    assert kept(settings, WALK).traits.n_without == 1
    # A higher setting hides at once what groups of fewer were allowed in.
    raised = settings.model_copy(update={"pooled_min_people": 4})
    told: Any = PooledStore(raised).read(*WALK)
    assert told.traits is None


def test_a_kind_is_told_as_single_case_studies_would(settings):
    refresh_kinds(settings)
    found = kept(settings, WALK).between_case
    assert "began on the same day" in found.refused
    people = {
        who: series(24 + 2 * n, 24, effect=5.0, seed=n, started_on=START_ON + timedelta(days=2 * n))
        for n, who in enumerate(DRINKERS)
    }
    write_daily(settings, days() | people)
    log = open_log(settings)
    for n, who in enumerate(DRINKERS):
        log.amend(who, "tea", started_on=START_ON + timedelta(days=2 * n), reason="another day")
    log.close()
    analyse(settings, *DRINKERS)
    assert TEA in made_anew(settings)
    found = kept(settings, TEA).between_case
    assert (found.refused, found.design, found.n_cases) == ("", "multiple baseline", 3)
    table = pd.concat(
        [
            frame.assign(
                case=who,
                time=[day.toordinal() for day in frame["day"]],
                treatment=[
                    str(day >= pd.Timestamp(START_ON + timedelta(days=2 * n)))
                    for day in frame["day"]
                ],
            )
            for n, (who, frame) in enumerate(people.items())
        ]
    ).rename(columns={"value": "outcome"})
    by_hand = between_case(table, "False", reversal=False)
    assert found.n_occasions == len(table)
    assert found.g == pytest.approx(by_hand.standardised, rel=1e-9)
    assert found.d == pytest.approx(by_hand.uncorrected, rel=1e-9)
    assert found.g_se**2 == pytest.approx(by_hand.standardised_variance, rel=1e-9)
    assert abs(found.g) < abs(found.d)
    by_reml = between_case_reml(table, "False", reversal=False)
    assert (found.g_by_reml, found.df_by_reml) == pytest.approx(
        (by_reml.standardised, by_reml.df), rel=1e-6
    )


def test_one_more_member_costs_one_analysis(settings, monkeypatch):
    store: Any = open_store(settings)
    late = WALKERS[2]
    verdict = store.verdict(f"{late}|morning")
    refresh_kinds(settings)
    whole = kept(settings, WALK)
    read = []

    def some(chosen, places, as_before=pooling.read_analyses):
        read.extend(key.partition("|")[0] for key, _ in places)
        return as_before(chosen, places)

    monkeypatch.setattr(pooling, "read_analyses", some)
    people = days()
    people[late] = with_another_last_day(people[late])
    write_daily(settings, people)
    analyse(settings, late)
    assert store.verdict(f"{late}|morning").fingerprint != verdict.fingerprint
    assert made_anew(settings) == {WALK}
    assert read == [late]
    with_one = kept(settings, WALK)
    assert with_one != whole
    PooledStore(settings).path(*WALK).with_suffix(".npz").unlink()
    assert made_anew(settings, force=True) == {WALK, TEA}
    assert replace(kept(settings, WALK), made_at=with_one.made_at) == with_one
    assert set(read) >= set(WALKERS)


def test_among_very_many_people_no_single_one_is_asked_after(settings, monkeypatch):
    monkeypatch.setattr(pooled_record, "MOST_WITH_HEAVY_TAILS", 5)
    refresh_kinds(settings)
    record = kept(settings, WALK)
    assert record.heavy_tailed is None
    assert {each.weight for each in record.members} == {None}
    assert PooledStore(settings).read(*WALK) == record
    assert kept(settings, TEA).heavy_tailed is not None


def test_a_lost_analysis_waits_and_is_back_when_it_is_made_again(settings):
    refresh_kinds(settings)
    before = kept(settings, TEA)
    key = f"{DRINKERS[0]}|tea"
    store: Any = open_store(settings)
    verdict = store.verdict(key)
    folder = store.analysis_folder(key, verdict.fingerprint)
    (folder / "grid.npz").write_bytes(b"damaged")
    assert made_anew(settings, force=True) == {WALK, TEA}
    record = PooledStore(settings).read(*TEA)
    assert isinstance(record, TooFewPeople)
    assert record.without_estimate == {"waiting": 1}
    assert made_anew(settings) == {TEA}
    analyse(settings, DRINKERS[0])
    assert made_anew(settings) == {TEA}
    assert replace(kept(settings, TEA), made_at=before.made_at) == before


def test_forgetting_leaves_no_byte_and_everybody_elses_kind(settings):
    refresh_kinds(settings)
    gone = WALKERS[3]
    own = kept(settings, WALK).member(gone).own_mean
    tea = PooledStore(settings).path(*TEA).read_bytes()
    assert leftovers(PooledStore(settings).folder, [gone], [own])
    done = forget(settings, gone)
    assert done.finished
    assert done.deleted["kinds"] == 1
    record = kept(settings, WALK)
    assert [each.user_id for each in record.members] == [w for w in WALKERS if w != gone]
    assert leftovers(settings.store_root, [gone], [own]) == []
    assert PooledStore(settings).path(*TEA).read_bytes() == tea
    # Of two people nothing is kept.
    assert forget(settings, DRINKERS[1]).deleted["kinds"] == 1
    assert PooledStore(settings).read(*TEA) is None
    assert leftovers(settings.store_root, [DRINKERS[1]]) == []
    assert made_anew(settings) == set()


def test_kinds_that_nobody_tries_any_more_are_gone(settings):
    PooledStore(settings).write(pooled_result(["anna"], kind="swim"))
    done = refresh_kinds(settings)
    assert done.removed == (KindKey("swim", METRIC),)
    assert not PooledStore(settings).path("swim", METRIC).parent.exists()
    alone = settings.model_copy(update={"store_root": settings.store_root / "none"})
    assert has_kinds(settings)
    assert not has_kinds(alone)


def test_the_command_tells_it_in_plain_words(settings, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(settings.store_root))
    monkeypatch.setenv("ITS_POOLED_MIN_PEOPLE", "3")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, code=0):
        result = CliRunner().invoke(app, ["pooled", *words])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    assert "walk" not in run()
    assert "fewer than 3 people" in run("walk", code=2)
    refresh_kinds(settings)
    assert "walk" in run()
    told = run("walk")
    record = kept(settings, WALK)
    assert "7 people have tried it" in told
    assert f"On average it changed the outcome by {record.mean.mean:.2f}" in told
    assert f"an sd of {record.spread.mean:.2f}" in told
    assert "Without an estimate: 1 stopped early." in told
    assert f"the average would be {record.imputed.mean.mean:.2f}" in told
    assert all(who in told for who in WALKERS)
    assert "Everybody has an estimate." in run("tea", "--metric", METRIC)
    assert '"kind": "tea"' in run("tea", "--json")
    assert "nothing is kept of kind 'tea' on metric" in run("tea", "--metric", "other", code=2)
