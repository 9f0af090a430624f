"""Every prior of the model in one place, in units of the standardised outcome.

The outcome is centred on its pre-period mean and divided by its pre-period standard deviation, so
these are statements in the outcome's own scale. Calibration (`benchmarks/calibration.py`) is the
judge of every number here. No data, no computing.
"""

from __future__ import annotations

LEVEL_SD = 3.0
"""Normal sd of the level in the middle of the pre-period."""

TREND_SD = 3.5
"""Normal sd of the change that the trend makes over the whole pre-period. A pre-period that is
nothing but trend spans 3.5 (square root of 12) of its own standard deviations."""

SHORT_TREND_SD = 1.25
"""The same where a phase has fewer than 14 observed days: a trend cannot be told from
autocorrelated drift there, and a wide prior would turn drift into effects."""

LEVEL_CHANGE_SD = 10.0
"""Normal sd of the level change at the intervention."""

SLOPE_CHANGE_SD = 10.0
"""Normal sd of the change that the slope change makes over the whole post-period."""

DAY_OF_WEEK_SD = 1.0
"""Normal sd of each of six orthonormal contrasts of the weekdays (exchangeable weekdays)."""

MONTH_SD = 2.0
"""Normal sd of each of eleven orthonormal contrasts of the months (exchangeable months)."""

COVARIATE_SD = 2.0
"""Normal sd of the coefficient of a standardised covariate."""

RHO_ALPHA = 1.0
RHO_BETA = 1.0
"""(1 + rho) / 2 ~ Beta(alpha, beta): uniform over (-1, 1)."""

SIGMA_SCALE = 1.0
SIGMA_DF = 3.0
"""sigma ~ half-Student-t(df, scale): heavy enough for a trend that swells the pre-period sd."""

NU_SHAPE = 2.0
NU_RATE = 0.1
NU_SHIFT = 2.0
"""nu - shift ~ Gamma(shape, rate) for the Student-t likelihood (Juarez & Steel 2010), shifted so
that the innovations keep a variance."""
