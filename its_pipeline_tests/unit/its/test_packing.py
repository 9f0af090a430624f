"""An analysis of every kind, packed and unpacked: the same to the last bit, and small."""

from __future__ import annotations

import struct
from dataclasses import fields
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import Analysis, AnalysisSpec, analyze
from its_pipeline.its.packing import MAGIC, packed, told_of, unpacked
from its_pipeline.its.storage import Stored, read_analysis
from its_pipeline.schedules.schedule import Schedule
from its_pipeline_tests.unit.its.series_factory import make_series

DAYS = 90


def _shares(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    named = dict(
        zip(("share_morning", "share_evening"), rng.dirichlet([3, 2, 2], n).T, strict=False)
    )
    return pd.DataFrame(named, pd.date_range("2024-01-01", periods=n, freq="D"))


def _normal(audited: bool, **spec: Any) -> Analysis:
    outcome, day = make_series(DAYS, level_change=8, missing=[4, 9, 30, 66], seed=1)
    return analyze(outcome, day, AnalysisSpec(**spec), _shares(DAYS), audited=audited)


def _student_t() -> Analysis:
    outcome, day = make_series(60, level_change=15, seed=1)
    spec = AnalysisSpec(likelihood="student_t", draws=1000, seed=7, season="none")
    return analyze(outcome, day, spec)


def _not_converged() -> Analysis:
    outcome, day = make_series(60, level_change=15, seed=1)
    return analyze(outcome, day, AnalysisSpec(likelihood="student_t", draws=60, tune=100))


def _counts(likelihood: str, audited: bool) -> Analysis:
    rng = np.random.default_rng(2)
    days = pd.date_range("2024-01-01", periods=80, freq="D")
    if likelihood == "binomial":
        per = pd.Series(rng.integers(2, 6, 80).astype(float), days)
        values = pd.Series(rng.binomial(per.astype(int), 0.4) / per.to_numpy(), days)
        spec = AnalysisSpec(likelihood=likelihood)
        return analyze(values, days[40], spec, denominator=per, audited=audited)
    values = pd.Series(rng.poisson(5.0, 80).astype(float), days)
    return analyze(values, days[40], AnalysisSpec(likelihood=likelihood), audited=audited)


def _lognormal() -> Analysis:
    outcome, day = make_series(DAYS, level_change=4, seed=3, sd=5)
    return analyze(outcome, day, AnalysisSpec(likelihood="lognormal"), audited=False)


def _one_of_several() -> Analysis:
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    outcome, _ = make_series(60, seed=6)
    tea = Schedule.days([*days[15:30], *days[45:]])
    return analyze(outcome, {"tea": tea, "walks": Schedule.since(days[25])}, AnalysisSpec()).of(
        "tea"
    )


def _beside_weather() -> Analysis:
    outcome, day = make_series(DAYS, level_change=8, seed=3)
    weather = pd.DataFrame({"weather": outcome.to_numpy() * 0.4 + 3.0}, outcome.index)
    weather += np.random.default_rng(0).normal(0, 3, (DAYS, 1))
    return analyze(outcome, day, AnalysisSpec(), weather, audited=False)


def _monthly() -> Analysis:
    rng = np.random.default_rng(0)
    months = pd.date_range("2019-01-01", periods=60, freq="MS")
    outcome = pd.Series(50 + rng.normal(0, 4, 60), months)
    return analyze(outcome, months[36], AnalysisSpec(), audited=False)


KINDS = {
    "audited": lambda: _normal(True),
    "not audited": lambda: _normal(False, interval_factor=1.3),
    "forecast": lambda: _normal(False, estimator="forecast"),
    "student_t": _student_t,
    "not converged": _not_converged,
    "counts": lambda: _counts("negative_binomial", False),
    "counts, audited": lambda: _counts("poisson", True),
    "yes of tries": lambda: _counts("binomial", False),
    "lognormal": _lognormal,
    "one of several": _one_of_several,
    "comparisons": _beside_weather,
    "monthly": _monthly,
}


@pytest.fixture(scope="module", params=list(KINDS))
def analysis(request) -> Analysis:
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def stored(analysis, tmp_path_factory) -> Stored:
    """Return an analysis as its folder has it."""
    return read_analysis(analysis.save(tmp_path_factory.mktemp("kind")))


def test_what_was_never_written_is_packed_as_what_was_read(analysis, stored):
    assert packed(analysis.stored(), {}) == packed(stored, {})


def bits(found: Any) -> Any:
    """Return something with its arrays as types, shapes and bytes."""
    if isinstance(found, np.ndarray):
        if found.dtype.kind == "O":
            return found.tolist()
        return found.dtype.str, found.shape, found.flags.c_contiguous, found.tobytes()
    if isinstance(found, pd.DataFrame):
        return [(name, str(found[name].dtype), bits(found[name].to_numpy())) for name in found]
    if isinstance(found, dict):
        return [(name, bits(value)) for name, value in found.items()]
    if hasattr(found, "__dataclass_fields__"):
        return type(found), {f.name: bits(getattr(found, f.name)) for f in fields(found)}
    return found


def test_it_comes_back_bit_for_bit(stored):
    content = packed(stored, {})
    again, tables = unpacked(content)
    assert bits(again) == bits(stored)
    assert tables == {}
    assert told_of(content) == stored.told
    before, after = Analysis.from_stored(stored), Analysis.from_stored(again)
    assert after.to_dict() == before.to_dict()
    if before.kept is None:
        assert after.posterior is None
        assert list(after.sampler_trace) == list(before.sampler_trace) != []
        return
    assert bits(dict(after.draws)) == bits(dict(before.draws))
    assert bits(after.expected()) == bits(before.expected())
    assert bits(after.posterior_predictive(5, 2)) == bits(before.posterior_predictive(5, 2))


def test_packing_again_gives_the_same_bytes(stored):
    content = packed(stored, {})
    assert packed(unpacked(content)[0], {}) == content


def test_draws_of_a_quadrature_are_not_in_it(tmp_path):
    whole = _normal(False)
    content = packed(read_analysis(whole.save(tmp_path)), {})
    drawn = sum(draws.nbytes for draws in whole.draws.values())
    assert len(content) < 25_000 < drawn / 20


def test_tables_beside_it_come_back(stored):
    series = pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=4),
            "value": [1.5, np.nan, -0.0, 1e-300],
            "n_events": [1, 2, 3, 2**40],
            "is_on": [True, False, True, True],
            "note": ["a", None, "a", "ü"],
            "on": [date(2024, 1, day) for day in (1, 2, 3, 4)],
        }
    )
    again = unpacked(packed(stored, {"series": series, "none": series[:0]}))[1]
    assert bits(again["series"]) == bits(series)
    assert bits(again["none"][["day", "value"]]) == bits(series[["day", "value"]][:0])


def test_what_is_no_number_and_no_text_is_refused(stored):
    with pytest.raises(TypeError, match="column 'odd' of series has values of complex"):
        packed(stored, {"series": pd.DataFrame({"odd": [1j, 2j]}, dtype=object)})


def test_half_a_string_is_refused(stored):
    content = packed(stored, {})
    for damaged in (b"", b"PAR1", content[:20], content[:-10]):
        with pytest.raises((ValueError, LookupError, OSError, struct.error)):
            unpacked(damaged)
    assert content.startswith(MAGIC)
