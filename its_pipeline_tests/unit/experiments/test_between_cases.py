"""Which kinds are told of as the single-case field would, from their members' days."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.experiments import between_cases as module
from its_pipeline.experiments.between_cases import between_cases
from its_pipeline.its.pooling.between_case import between_case
from its_pipeline.stores.outlines import Outline
from its_pipeline_tests.unit.experiments.test_kinds import intervention, verdict
from tools.stores import short_settings

FIRST_ON = date(2026, 3, 1)
NAMES = ("off", "on")


def days(phases, seed=0, first_on=FIRST_ON):
    """Return an analysis' days: runs of a phase as (name, length)."""
    rng = np.random.default_rng(seed)
    phase = np.concatenate([[name] * length for name, length in phases])
    values = rng.normal(20.0 + 3.0 * seed, 2.0, len(phase)) + 4.0 * (phase == "on")
    index = pd.date_range(first_on, periods=len(phase), freq="D")
    return pd.DataFrame({"day": index, "phase": phase, "observed": values})


class Store:
    """Analyses by the person, without a store behind them."""

    def __init__(self, frames):
        self._frames = frames

    def analysis(self, key, _fingerprint, *, with_trace):
        assert not with_trace
        frame = self._frames.get(key.partition("|")[0])
        return None if frame is None else SimpleNamespace(phase_names=NAMES, daily=frame)


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Return a function from people's days and designs to what is told of them."""

    def tell(frames, changes: Any = ()):
        monkeypatch.setattr(module, "open_store", lambda _settings: Store(frames))
        outlines = {}
        for n, who in enumerate(frames):
            fields = {"is_on_and_off": True, **(changes[n] if changes else {})}
            outlines[who] = Outline.of(verdict(intervention(who), **fields))
        return between_cases(short_settings(tmp_path), outlines)

    return tell


def reversals():
    """Four people with (AB)^2; one began on and ended off, one has a washout and a gap."""
    whole = [("off", 6), ("on", 6), ("off", 6), ("on", 6)]
    frames = {f"p{n}": days(whole, seed=n) for n in range(4)}
    frames["p1"] = days([("on", 3), *whole, ("off", 4)], seed=1)
    frames["p2"] = days([("off", 6), ("washout", 2), *whole[1:]], seed=2)
    frames["p2"].loc[3, "observed"] = np.nan
    return frames


def by_hand(frames, pairs):
    parts = []
    for who, frame in frames.items():
        kept = frame[frame["phase"].isin(NAMES)].dropna()
        kept = kept.iloc[3:-4] if who == "p1" else kept
        time = [day.toordinal() for day in kept["day"]]
        run = (kept["phase"] != kept["phase"].shift()).cumsum()
        fields = {"treatment": kept["phase"], "outcome": kept["observed"], "phase": (run - 1) // 2}
        parts.append(pd.DataFrame({"case": who, "time": time, **fields}))
    return between_case(pd.concat(parts), "off", reversal=pairs)


def test_reversals_are_told_in_whole_pairs_of_phases(told):
    frames = reversals()
    found = told(frames)
    expected = by_hand(frames, True)
    assert (found.refused, found.design, found.n_cases) == ("", "reversal", 4)
    assert found.n_occasions == 4 * 24 - 1
    assert found.g == pytest.approx(expected.standardised, rel=1e-9)
    assert found.d == pytest.approx(expected.uncorrected, rel=1e-9)
    assert found.g_by_reml is not None
    off = [
        frame[frame["phase"] == "off"]["observed"].iloc[: 12 if who == "p1" else None].std()
        for who, frame in frames.items()
    ]
    assert found.own_sd == pytest.approx(np.median(off), rel=1e-9)


def change(n):
    began_on = FIRST_ON + timedelta(days=8 + 2 * n)
    return {"is_on_and_off": False, "started_on": began_on.isoformat()}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([{}] * 2, "at least 3"),
        ([{"is_on_and_off": False}] * 3, "everybody began on the same day"),
        ([{}, {}, {"by_lot": True}], "a lot drew the days of some"),
        ([{}, {}, {"is_on_and_off": False}], "some changed once and some"),
        ([{}, {}, {"cadence": "week"}], "different units of time"),
        ([{}] * 101, "not for more than 100"),
    ],
)
def test_other_designs_are_refused_with_the_reason(told, changes, why):
    frames = {f"p{n}": reversals()["p0"] for n in range(len(changes))}
    assert why in told(frames, changes).refused


def test_a_phase_of_two_days_is_none(told):
    frames = reversals()
    frames["p3"] = days([("off", 6), ("on", 2), ("off", 6), ("on", 6)], seed=3)
    refused = told(frames).refused
    assert "fewer than 3 observed days" in refused
    assert "p3" not in refused


def test_lost_days_and_days_that_share_nothing_are_refused(told):
    frames: dict[str, Any] = reversals()
    assert told({**frames, "p3": None}).refused == "the days of somebody are not at hand"
    apart = {
        f"p{n}": days([("off", 8 + 2 * n), ("on", 9)], n, FIRST_ON + timedelta(days=100 * n))
        for n in range(3)
    }
    refused = told(apart, [change(n) for n in range(3)]).refused
    assert refused.startswith("no occasion is shared by enough cases")


def test_a_multiple_baseline_stands_on_one_calendar(told):
    frames = {f"p{n}": days([("off", 8 + 2 * n), ("on", 12 - 2 * n)], n) for n in range(4)}
    found = told(frames, [change(n) for n in range(4)])
    expected = by_hand({f"q{n}": frame for n, frame in enumerate(frames.values())}, False)
    assert (found.refused, found.design) == ("", "multiple baseline")
    assert found.g == pytest.approx(expected.standardised, rel=1e-9)
