"""Analyses read in one pass over the sets: the same as one by one, wherever they lie."""

from __future__ import annotations

from collections import Counter

import pytest

from its_pipeline.experiments.compaction import compact
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment, open_store
from its_pipeline.files.damage import set_aside_files
from its_pipeline.settings import Settings
from its_pipeline.stores import result_file
from its_pipeline.stores.many_analyses import read_analyses
from tools.stores import (
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)

PEOPLE = {name: series(seed=n, effect=6.0) for n, name in enumerate(("ada", "bob", "cy", "dan"))}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """Two sets, the newer one with newer days of bob, and dan's analysis in a folder."""
    # So that two rows are a group.
    monkeypatch.setattr(result_file, "GROUP_ROWS", 2)
    chosen = short_settings(tmp_path)
    write_daily(chosen, PEOPLE)
    for user in PEOPLE:
        log_intervention(chosen, user)
    for user in ("ada", "bob", "cy"):
        fit(chosen, user)
    compact(chosen)
    write_daily(chosen, {**PEOPLE, "bob": with_another_last_day(PEOPLE["bob"])})
    fit(chosen, "bob")
    compact(chosen)
    fit(chosen, "dan")
    return chosen


def fit(settings: Settings, user: str) -> None:
    fit_experiment(Snapshot(settings), f"{user}|morning")


def places_of(settings: Settings) -> list[tuple[str, str]]:
    store = open_store(settings)
    return [
        (f"{user}|morning", str(verdict.fingerprint))
        for user in PEOPLE
        for verdict in store.history(f"{user}|morning")
    ]


def test_each_is_read_once_and_is_what_it_is_alone(settings):
    store, wanted = open_store(settings), places_of(settings)
    assert len(wanted) == 5
    missing = ("eve|morning", "0" * 64)
    found = list(read_analyses(store, [*wanted, missing]))
    assert Counter(place for place, _ in found) == Counter([*wanted, missing])
    told = dict(found)
    assert told[missing] is None
    for place in wanted:
        own, alone = told[place], store.analysis(*place)
        assert own is not None
        assert alone is not None
        assert own.effects == alone.effects
        assert own.daily.equals(alone.daily)


def test_only_the_groups_with_any_are_read(settings, monkeypatch):
    store = open_store(settings)
    read = []

    def some(file, group, columns, as_before=result_file.ResultFile._read):
        if "analysis" in columns:
            read.append((file.path.name, group))
        return as_before(file, group, columns)

    wanted = [place for place in places_of(settings) if not place[0].startswith(("dan", "cy"))]
    monkeypatch.setattr(result_file.ResultFile, "_read", some)
    assert all(one is not None for _, one in read_analyses(store, wanted))
    assert len(read) == len(set(read))
    assert len(read) < sum(result_file.opened(p).n_groups for p in store.sets.paths())


def test_of_a_damaged_set_the_rest_is_read_and_the_damage_set_aside(settings):
    store, wanted = open_store(settings), places_of(settings)
    path = max(store.sets.paths(), key=lambda each: each.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(bytes(content))
    found = dict(read_analyses(store, wanted))
    assert found.keys() == set(wanted)
    lost = [place for place, one in found.items() if one is None]
    assert 0 < len(lost) < len(wanted)
    assert set_aside_files(settings.store_root)
