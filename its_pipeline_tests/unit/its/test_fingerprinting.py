"""Same fingerprint, same answer: what must change it and what must not."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, fingerprint
from its_pipeline_tests.unit.its.series_factory import make_series

OUTCOME, DAY = make_series(60, missing=[7, 20])
COVARIATES = pd.DataFrame({"share_morning": np.linspace(0, 1, 58)}, index=OUTCOME.index)


def _print(
    outcome: pd.Series = OUTCOME, day: Any = DAY, spec=None, covariates=None, extra=None
) -> str:
    return fingerprint(outcome, day, spec or AnalysisSpec(), covariates, extra)


def test_thirty_two_hexadecimal_characters():
    assert len(_print()) == 32
    assert set(_print()) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": OUTCOME * (1 + 1e-15)},
        {"outcome": OUTCOME.iloc[:-1]},
        {"outcome": OUTCOME.set_axis(OUTCOME.index + pd.Timedelta(days=1))},
        {"day": DAY + pd.Timedelta(days=1)},
        {"spec": AnalysisSpec(seed=1)},
        {"spec": AnalysisSpec(minimum_effect=0.5)},
        {"covariates": COVARIATES},
        {"covariates": COVARIATES * 2},
        {"covariates": COVARIATES.rename(columns={"share_morning": "x"})},
        {"extra": {"version": 2}},
    ],
)
def test_what_the_answer_depends_on_changes_it(change):
    adapted = "covariates" in change and change["covariates"] is not COVARIATES
    base = _print(covariates=COVARIATES if adapted else None)
    assert _print(**change) != base


def test_what_the_answer_does_not_depend_on_leaves_it():
    as_nan = OUTCOME.reindex(pd.date_range(OUTCOME.index[0], OUTCOME.index[-1]))
    assert _print(as_nan) == _print()
    assert _print(OUTCOME.rename("other")) == _print()
    assert _print(day=DAY.date()) == _print(day=str(DAY.date())) == _print()
    assert _print(OUTCOME.set_axis(pd.DatetimeIndex(OUTCOME.index).as_unit("s"))) == _print()
    assert _print(extra={"a": 1, "b": 2}) == _print(extra={"b": 2, "a": 1})
    assert _print(covariates=COVARIATES.reindex(as_nan.index), outcome=as_nan) == _print(
        covariates=COVARIATES
    )


def test_it_is_the_same_in_another_process():
    code = "from its_pipeline_tests.unit.its.test_fingerprinting import _print; print(_print())"
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == _print()
