"""One look after the other: what each may say, what stands, and what is never taken twice."""

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest

from its_pipeline.its.decisions.looks import Look, Seen, next_look, normal_score
from its_pipeline.its.decisions.standing import Standing, corrected_estimate, crossing, standing

START = date(2026, 3, 1)
UNTIL = date(2026, 4, 29)


def seen(day, information, z, **changes):
    from scipy.special import ndtr

    return Seen(
        **{
            "looked_on": START + timedelta(days=day),
            "planned_until_on": UNTIL,
            "plan": "daily",
            "direction": "increase",
            "information": information,
            "planned_information": 1.0,
            "probability_of_benefit": float(ndtr(z)),
            "effect_mean": 2.0 * z,
            "effect_sd": 2.0,
            "prior_sd": 10.0,
            "fingerprint": f"f{day}",
            **changes,
        }
    )


def looks(*sights):
    found: list[Look] = []
    for sight in sights:
        look = next_look(found, sight)
        if look is not None:
            found.append(look)
    return found


def test_the_same_effect_is_a_verdict_late_and_not_early():
    early = looks(seen(8, 0.3, 2.2))
    late = looks(seen(8, 0.3, 1.0), seen(59, 1.0, 2.2))
    assert [look.said for look in early] == [""]
    assert [look.said for look in late] == ["", "helped"]


def test_made_it_worse_has_the_same_boundary():
    [look] = looks(seen(59, 1.0, -2.2))
    assert look.said == "made_worse"


@pytest.mark.parametrize("day", [8, 7])
def test_the_same_day_and_an_earlier_one_are_no_new_look(day):
    [first] = looks(seen(8, 0.3, 1.0))
    assert next_look([first], seen(day, 0.5, 5.0)) is None


def test_a_day_without_information_is_no_look():
    [first] = looks(seen(8, 0.3, 1.0))
    assert next_look([first], seen(9, 0.3005, 5.0)) is None


@pytest.mark.parametrize("plan", ["at_end", "haybittle_peto", "daily"])
def test_the_last_day_spends_what_is_left_however_little_it_adds(plan):
    [before] = looks(seen(57, 0.99999, 1.0, plan=plan))
    last = next_look([before], seen(59, 1.0 - 1e-9, 1.9, plan=plan))
    assert last is not None
    assert last.alpha_spent == pytest.approx(0.05, abs=1e-6)
    assert last.said == "helped"


@pytest.mark.parametrize("plan", ["at_end", "daily"])
def test_a_last_look_at_the_same_days_spends_what_is_left(plan):
    [_, reached] = looks(seen(30, 0.6, 1.0, plan=plan), seen(57, 0.97, 0.0, plan=plan))
    z = min(reached.boundary - 0.003, 1.9)
    taken = looks(seen(30, 0.6, 1.0, plan=plan), seen(57, 0.97, z, plan=plan))
    assert taken[-1].said == ""
    closing = seen(59, 0.97, z, plan=plan, planned_information=0.97)
    last = next_look(taken, closing)
    assert last is not None
    assert last.said == "helped"
    assert last.boundary <= taken[-1].boundary
    assert last.alpha_spent == pytest.approx(0.05, abs=1e-6)
    found = corrected_estimate([*taken, last])
    assert found is not None
    assert found.ci_lower < found.mean < found.ci_upper
    assert next_look([*taken, last], closing) is None


def test_earlier_looks_stand_when_the_plan_changes():
    taken = looks(seen(8, 0.3, 1.0), seen(20, 0.6, 1.5))
    later = next_look(taken, seen(30, 0.8, 1.5, plan="pocock"))
    assert later is not None
    assert later.alpha_spent > taken[-1].alpha_spent
    assert later.alpha_spent <= 0.05 + 1e-12


def test_what_was_spent_on_another_question_is_gone():
    [free] = looks(seen(59, 1.0, 1.7))
    tied = next_look([], seen(59, 1.0, 1.7), spent_elsewhere=0.03)
    nothing = next_look([], seen(59, 1.0, 9.0), spent_elsewhere=0.05)
    assert free.said == "helped"
    assert tied is not None
    assert tied.said == ""
    assert tied.boundary > free.boundary
    assert nothing is not None
    assert math.isinf(nothing.boundary)
    assert nothing.said == ""


def test_without_a_horizon_the_boundary_is_the_mixture_s():
    [look] = looks(seen(8, 0.3, 1.0, plan="always_valid", effect_sd=10.0, prior_sd=10.0))
    # x = 1 at a two-sided error of .10.
    assert look.boundary == pytest.approx(math.sqrt(4.0 * math.log(math.sqrt(2.0) / 0.1)))


def test_a_look_comes_back_from_json():
    [first] = looks(seen(8, 0.02, 1.0))
    assert math.isinf(first.boundary)
    assert Look.from_dict(first.to_dict()) == first


def test_normal_scores_reach_both_tails():
    assert normal_score(0.975) == pytest.approx(1.959964, abs=1e-6)
    assert normal_score(1.0) == -normal_score(0.0)
    assert 8.0 < normal_score(1.0) < 9.0


def told(taken, **changes):
    return standing(
        taken,
        **{
            "direction": "increase",
            "is_over": False,
            "minimum_effect": 0.0,
            "interval": (1.0, 5.0),
            "probability_of_benefit": 0.99,
            **changes,
        },
    )


def test_a_verdict_that_was_crossed_stays_with_its_doubts():
    taken = looks(seen(20, 0.5, 4.0), seen(40, 0.8, 0.5))
    found = told(taken, probability_of_benefit=0.7, interval=(-2.0, 4.0))
    assert (found.kind, found.is_doubted) == ("helped", True)
    assert found.crossed == taken[0]
    assert Standing.from_dict(found.to_dict()) == found
    assert crossing(taken) == taken[0]


def test_a_benefit_that_points_the_other_way_now_is_read_so():
    taken = looks(seen(20, 0.5, 4.0))
    assert told(taken, direction="decrease", probability_of_benefit=0.01).kind == "made_worse"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "so_far"),
        ({"is_over": True}, "undecided"),
        ({"is_over": True, "minimum_effect": 6.0}, "too_small"),
        ({"minimum_effect": 6.0}, "so_far"),
    ],
)
def test_without_a_crossing(changes, kind):
    assert told(looks(seen(20, 0.5, 1.0)), **changes).kind == kind


def test_the_corrected_estimate_is_smaller_and_on_the_effect_s_side():
    taken = looks(seen(8, 0.3, 1.0), seen(20, 0.5, 3.2))
    found = corrected_estimate(taken)
    assert found is not None
    assert 0.0 < found.mean < taken[-1].effect_mean
    assert found.ci_lower < found.mean < found.ci_upper
    worse = corrected_estimate(looks(seen(8, 0.3, -1.0), seen(20, 0.5, -3.2)))
    assert worse is not None
    assert worse.mean == pytest.approx(-found.mean)


def test_a_look_says_only_known_words():
    [first] = looks(seen(8, 0.3, 1.0))
    with pytest.raises(ValueError, match="said must be one of"):
        replace(first, said="perhaps")
