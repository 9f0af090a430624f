"""`its-pipeline analyze` on a published intervention: the British seat-belt law of 1983."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline_tests.support import shared_data_dir

#: Harvey & Durbin (1986), J. R. Stat. Soc. A 149:187, for drivers killed or seriously injured.
PUBLISHED_PERCENT = -23.0
#: The 1985 report's range, as given in PROVENANCE.md of the series.
PUBLISHED_RANGE_PERCENT = (-26.0, -20.0)


def test_the_seat_belt_law_agrees_with_the_published_effect():
    series = shared_data_dir() / "uk_seatbelts.csv"
    arguments = f"analyze {series} --date date --outcome drivers --log --intervention 1983-02-01"
    result = CliRunner().invoke(
        app, [*arguments.split(), "--direction", "decrease", "--season", "month", "--json"]
    )
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["diagnostics"]["converged"] is True
    assert (answer["n_pre"], answer["n_post"]) == (169, 23)

    def percent(log_change: float) -> float:
        return 100 * math.expm1(log_change)

    immediate = answer["effects"]["immediate"]
    lower, upper = percent(immediate["ci_lower"]), percent(immediate["ci_upper"])
    assert lower < PUBLISHED_RANGE_PERCENT[0] < PUBLISHED_RANGE_PERCENT[1] < upper
    assert percent(immediate["mean"]) == pytest.approx(PUBLISHED_PERCENT, abs=4.0)
    assert answer["probability_of_benefit"] > 0.99
