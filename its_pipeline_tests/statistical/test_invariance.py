"""What must not change the answer: units, shifts, direction, process, threads."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec
from its_pipeline_tests.unit.its.series_factory import make_series, run

SPEC = AnalysisSpec(draws=1000, seed=5)


@pytest.mark.parametrize("likelihood", ["normal", "student_t"])
@pytest.mark.parametrize(("factor", "shift"), [(1e6, 0.0), (1e-6, 0.0), (1.0, 1e6), (-1.0, 0.0)])
def test_effects_move_with_the_unit(factor, shift, likelihood):
    outcome, day = make_series(80, level_change=8, missing=[3, 50], seed=2)
    # The slope change is small or not: its sd has a large Monte Carlo error where it is sampled.
    spec = AnalysisSpec(draws=5000, seed=5, likelihood=likelihood)
    base = run(outcome, day, spec).effects
    moved = run(outcome * factor + shift, day, spec).effects
    for name in ("immediate", "sustained", "counterfactual", "cumulative"):
        expected, found = getattr(base, name), getattr(moved, name)
        # rounding may flip a transition, so chains differ by Monte Carlo error, never by more
        assert found.mean == pytest.approx(factor * expected.mean, abs=0.08 * found.sd)
        assert found.sd == pytest.approx(abs(factor) * expected.sd, rel=0.12)


def test_reversing_outcome_and_direction_gives_the_same_benefit():
    outcome, day = make_series(80, level_change=30, seed=3)
    up = run(outcome, day, AnalysisSpec(minimum_effect=1.0))
    down = run(-outcome, day, AnalysisSpec(direction="decrease", minimum_effect=1.0))
    assert up.probability_of_benefit == pytest.approx(down.probability_of_benefit, abs=0.02)
    other = run(outcome, day, AnalysisSpec(direction="decrease", minimum_effect=1.0))
    assert other.probability_of_benefit < 0.2 < up.probability_of_benefit


def test_calendar_position_does_not_matter():
    outcome, day = make_series(80, level_change=6, seed=3)
    moved = outcome.set_axis(outcome.index + (day - day) + np.timedelta64(70, "D"))
    later = run(moved, day + np.timedelta64(70, "D"), SPEC)
    assert later.effects == run(outcome, day, SPEC).effects


CODE = """
import hashlib, json, sys
from its_pipeline.its import AnalysisSpec, analyze
from its_pipeline_tests.unit.its.series_factory import make_series
outcome, day = make_series(80, level_change=8, missing=[3, 50], seed=2)
found = {}
for likelihood in ("normal", "student_t"):
    for estimator in ("segmented", "forecast"):
        spec = AnalysisSpec(draws=600, seed=5, likelihood=likelihood, estimator=estimator)
        a = analyze(outcome, day, spec, cores=int(sys.argv[1]))
        daily = a.daily.drop(columns=["day", "phase"]).to_numpy().tobytes()
        daily = hashlib.sha256(daily).hexdigest()
        found[likelihood + estimator] = [a.to_dict()["effects"], daily]
print(json.dumps(found))
"""


def _in_another_process(cores, threads):
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(cores)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return json.loads(done.stdout)


def test_effects_are_bit_identical_in_two_processes_and_any_number_of_threads():
    assert _in_another_process(1, "1") == _in_another_process(4, "2")
