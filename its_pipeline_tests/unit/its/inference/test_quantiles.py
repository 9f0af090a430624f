"""The bands' quantiles: NumPy's own, to the last bit, whatever the rows hold."""

from __future__ import annotations

import numpy as np
import pytest

from its_pipeline.its.inference.draws import row_quantiles
from its_pipeline.its.inference.nuts import use_cores

PROBABILITIES = (0.025, 0.975, 0.25, 0.75, 0.0, 1.0, 0.5)
_RNG = np.random.default_rng(4)

ROWS = {
    "draws": _RNG.normal(size=(40, 2003)) * _RNG.uniform(0.01, 100.0, size=(40, 1)),
    "ties": np.round(_RNG.normal(size=(20, 500)), 1),
    "constant": np.full((2, 50), 3.5),
    "one far value": np.where(np.arange(4000) == 7, 1e12, _RNG.normal(size=(3, 4000))),
    "heavy tails": _RNG.standard_cauchy((20, 1001)),
    "some NaN": np.where(_RNG.random((9, 300)) < 0.01, np.nan, _RNG.normal(size=(9, 300))),
    "infinite": np.array([[1.0, np.inf, 2.0, -3.0], [0.0, 1.0, 2.0, 3.0]]),
    "huge": 1e308 * _RNG.uniform(-1.0, 1.0, size=(3, 99)),
    "subnormal": 1e-320 * _RNG.integers(0, 9, size=(3, 99)),
    "one draw": _RNG.normal(size=(4, 1)),
    "two draws": _RNG.normal(size=(4, 2)),
}


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("kind", ROWS)
def test_quantiles_of_rows_are_numpys_to_the_last_bit(kind: str, cores: int) -> None:
    use_cores(cores)
    try:
        found = row_quantiles(ROWS[kind], PROBABILITIES)
    finally:
        use_cores(None)
    with np.errstate(invalid="ignore", over="ignore"):
        wanted = np.quantile(ROWS[kind], PROBABILITIES, axis=1)
    np.testing.assert_array_equal(found, wanted)
