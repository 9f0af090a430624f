"""Boundaries against published tables, a simulation, and what they promise."""

import math

import numpy as np
import pytest

from its_pipeline.its import boundaries
from its_pipeline.its.decisions.boundaries import SPENDING, always_valid_multiplier

FIVE = np.arange(1, 6) / 5
DAILY = np.arange(1, 61) / 60


def test_obrien_fleming_type_as_ldbounds_tells_it():
    found = boundaries(FIVE, alpha=0.05, sides=2)
    # ldbounds gives 3.3569 at the second look, whose spending it gives to five digits as here; with
    # that spending the look crosses at 3.35701.
    assert found.z == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=1.2e-4)
    spent = [1.0777e-6, 7.8830e-4, 7.6161e-3, 2.4424e-2, 0.05]
    assert found.alpha_spent == pytest.approx(spent, abs=1e-6)


def test_classical_obrien_fleming_as_rpact_tells_it():
    found = boundaries([1 / 3, 2 / 3, 1.0], 0.025, "obrien_fleming_classical")
    assert found.z == pytest.approx([3.4710914, 2.4544323, 2.0040356], abs=1e-6)
    spent = [0.00025917372, 0.0071600594, 0.02499999]
    assert found.alpha_spent == pytest.approx(spent, abs=1e-6)


@pytest.mark.parametrize(
    ("spending", "information", "z", "tolerance"),
    [
        ("pocock", [0.4, 0.7, 1.0], [2.223875, 2.305080], 1e-6),
        ("haybittle_peto", [0.25, 0.5, 0.75, 1.0], [3.0, 3.0, 3.0, 1.98275], 1e-5),
        ("hwang_shih_decani", FIVE, [3.25, 2.99, 2.69, 2.37, 2.03], 0.006),
    ],
)
def test_other_families_as_published(spending, information, z, tolerance):
    found = boundaries(information, 0.025, spending)
    assert found.z[: len(z)] == pytest.approx(z, abs=tolerance)
    assert found.alpha_spent[-1] == pytest.approx(0.025, abs=1e-9)


def test_pocock_type_spends_as_published():
    found = boundaries([0.4, 0.7, 1.0], 0.025, "pocock")
    assert found.alpha_spent[:2] == pytest.approx([0.01307843, 0.0197432], abs=1e-7)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_sixty_daily_looks_spend_what_a_simulation_says(spending):
    found = boundaries(DAILY, 0.05, spending)
    rng = np.random.default_rng(5)
    drift = 2.0
    crossed = np.zeros((2, 60))
    n = 40_000
    scores = np.cumsum(rng.normal(0.0, math.sqrt(1 / 60), size=(n, 60)), axis=1)
    for row, shift in enumerate((0.0, drift)):
        z = (scores + shift * DAILY) / np.sqrt(DAILY)
        crossed[row] = np.cumsum(np.bincount(_first(z >= found.z), minlength=61)[:60]) / n
    # Four standard errors of a share of 40,000.
    assert crossed[0] == pytest.approx(found.alpha_spent, abs=0.0045)
    assert crossed[1] == pytest.approx(np.cumsum(found.crossing(drift)), abs=0.01)


def _first(reached):
    return np.where(reached.any(axis=1), reached.argmax(axis=1), reached.shape[1])


@pytest.mark.parametrize("spending", sorted(SPENDING))
def test_looks_one_by_one_are_the_looks_all_at_once(spending):
    rng = np.random.default_rng(2)
    information = np.sort(rng.uniform(0.05, 1.0, size=8))
    information[-1] = 1.0
    at_once = boundaries(information, 0.05, spending)
    z: list[float] = []
    for k in range(1, 9):
        z.append(boundaries(information[:k], 0.05, spending, taken=z).z[-1])
    assert np.array(z) == pytest.approx(at_once.z, abs=1e-7)
    assert at_once.alpha_spent[-1] == pytest.approx(0.05, abs=1e-9)


def test_more_information_than_planned_spends_all_and_no_more():
    found = boundaries([0.5, 0.9, 1.2, 1.4], 0.05)
    assert found.alpha_spent[2:] == pytest.approx([0.05, 0.05], abs=1e-9)
    assert math.isinf(found.z[3])


def test_less_information_than_planned_leaves_some_unspent():
    found = boundaries([0.3, 0.7], 0.05)
    assert found.alpha_spent[-1] == pytest.approx(
        float(SPENDING["obrien_fleming"](np.array(0.7), 0.05)), abs=1e-9
    )


def test_a_longer_plan_keeps_what_was_spent():
    first = boundaries([0.5, 0.9], 0.05)
    longer = boundaries(
        [0.5, 0.9, 1.0, 1.5],
        0.05,
        taken=first.z,
        spent_before=first.alpha_spent[-1],
        planned=1.5,
    )
    assert longer.z[:2] == pytest.approx(first.z)
    # The longer plan would have spent less by 1.0 than was spent by then, so nothing may be said.
    assert math.isinf(longer.z[2])
    assert longer.alpha_spent[-1] == pytest.approx(0.05, abs=1e-9)


def test_always_valid_multipliers_as_published():
    found = always_valid_multiplier(np.array([1.0, 10.0, 100.0]), 0.05)
    assert found == pytest.approx([3.6564, 3.0378, 3.2730], abs=5e-5)


def test_the_median_unbiased_estimate_is_too_large_as_often_as_too_small():
    information = np.array([0.3, 0.6, 1.0])
    found = boundaries(information, 0.05)
    rng = np.random.default_rng(8)
    drift, too_large, naive_too_large, n = 2.0, 0, 0, 800
    for _ in range(n):
        steps = np.diff(information, prepend=0.0)
        scores = np.cumsum(rng.normal(drift * steps, np.sqrt(steps)))
        z = scores / np.sqrt(information)
        reached = np.flatnonzero(z >= found.z)
        last = int(reached[0]) if len(reached) else 2
        part = boundaries(information[: last + 1], 0.05)
        too_large += part.drift_exceeded(float(z[last]), 0.5) > drift
        naive_too_large += z[last] / math.sqrt(information[last]) > drift
    # Three standard errors of a share of 800.
    assert too_large / n == pytest.approx(0.5, abs=0.053)
    assert naive_too_large > too_large


@pytest.mark.parametrize("drift", [-6.0, 2.0, 5.0, 9.0, 14.0])
def test_looks_that_can_say_nothing_change_nothing_under_any_drift(drift):
    found = boundaries([0.2, 0.6, 1.0], 0.05, "at_end")
    alone = boundaries([1.0], 0.05)
    assert found.z[2] == pytest.approx(alone.z[0], abs=1e-9)
    assert found.crossing(drift)[2] == pytest.approx(alone.crossing(drift)[0], rel=1e-9)
    assert found.drift_exceeded(2.2, 0.975) == pytest.approx(2.2 + 1.959964, abs=1e-5)


def test_one_look_corrects_nothing():
    found = boundaries([1.0], 0.05)
    assert found.drift_exceeded(2.2, 0.5) == pytest.approx(2.2, abs=1e-6)
    assert found.drift_exceeded(2.2, 0.025) == pytest.approx(2.2 - 1.959964, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"information": [0.5, 0.5]}, "strictly increasing"),
        ({"information": [0.0, 1.0]}, "above 0"),
        ({"information": []}, "information must be"),
        ({"information": [1.0], "alpha": 1.5}, "alpha"),
        ({"information": [1.0], "spending": "obf"}, "spending"),
        ({"information": [1.0], "sides": 3}, "sides"),
        (
            {"information": [0.5, 1.0], "spending": "obrien_fleming_classical", "taken": [3.0]},
            "needs all looks at once",
        ),
    ],
)
def test_a_wrong_argument_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        boundaries(**arguments)


def test_always_valid_refuses_no_information():
    with pytest.raises(ValueError, match="above 0"):
        always_valid_multiplier(0.0)
