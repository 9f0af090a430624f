"""The settings: each rule names field, value and remedy; the round trip is exact."""

import json

import pytest

from its_pipeline.its import AnalysisSpec


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("direction", "up"),
        ("season", "week"),
        ("estimator", "did"),
        ("likelihood", "cauchy"),
        ("slope", "yes"),
        ("slope", 1),
        ("trend", "auto"),
        ("minimum_effect", -0.1),
        ("minimum_effect", float("nan")),
        ("minimum_effect", float("inf")),
        ("minimum_effect", True),
        ("minimum_effect", "2"),
        ("washout_days", -1),
        ("washout_days", 1.5),
        ("draws", 0),
        ("tune", 0),
        ("chains", 0),
        ("chains", True),
        ("seed", -1),
        ("seed", 2**63),
        ("unit", None),
    ],
)
def test_rule_names_field_and_value(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be .* but got") as caught:
        AnalysisSpec(**{field: value})
    assert repr(value) in str(caught.value) or str(value) in str(caught.value)


def test_slope_change_needs_a_trend():
    with pytest.raises(ValueError, match="slope=True needs trend=True"):
        AnalysisSpec(slope=True, trend=False)


def test_round_trip_through_json():
    spec = AnalysisSpec(direction="decrease", minimum_effect=2, slope=False, seed=2**63 - 1)
    assert AnalysisSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_unknown_setting_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown settings \['burn'\]; known are .*'tune'"):
        AnalysisSpec.from_dict({"burn": 3})
