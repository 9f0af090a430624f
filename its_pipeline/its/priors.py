"""Every prior of the model in one place, in units of the standardised outcome.

The outcome is centred on its pre-period mean and divided by its pre-period standard deviation, so
these are statements in the outcome's own scale. Calibration (`benchmarks/calibration.py`) is the
judge of every number here. No data, no computing.
"""

from __future__ import annotations

LEVEL_SD = 3.0
"""Normal sd of the level in the middle of the pre-period."""

TREND_SDS = (0.1, 2.0)
"""Normal sds of the change that a straight trend makes over the whole pre-period: a mixture, small
unless the data insist. People drift and come back; an interval that extrapolates every drift as a
straight line is twice as wide and no truer (benchmarks/placebo.py). Those are windows of at most
180 days: counts of months, quarters and years have the wide one alone
(benchmarks/outcomes_monthly.py)."""

LEVEL_CHANGE_SD = 10.0
"""Normal sd of the level change at the intervention."""

SLOPE_CHANGE_SDS = (0.1, 2.0)
"""The same of the change that the slope change makes over the whole post-period."""

PHASE_SDS = (0.1, 1.0)
"""Normal sds of what one phase's effect differs from the effect that all phases share: the same
each time unless the data insist."""

CARRYOVER_SDS = (0.1, 2.0)
"""The same of what is left on the first day after stopping, where that is asked for."""
CARRYOVER_DAYS = 3.0
"""What is left fades by a factor of e in as many time steps."""

SMALL_WEIGHT = 0.7
"""Prior weight of the small sd, for trend, slope change, phases, carry-over and yearly season
independently."""

DAY_OF_WEEK_SD = 1.0
"""Normal sd of each of six orthonormal contrasts of the weekdays (exchangeable weekdays)."""

MONTH_SD = 2.0
"""Normal sd of each of eleven orthonormal contrasts of the months (exchangeable months)."""

YEARLY_SDS = (0.1, 1.0)
"""Normal sds of sine and cosine of a yearly season: small both unless the data insist. Where there
is no season it then costs next to nothing, and where there is one it is taken for what it is
(benchmarks/yearly.py)."""

COVARIATE_SD = 2.0
"""Normal sd of the coefficient of a standardised covariate."""

TAU_SHORTEST = 0.5
TAU_LONGEST = 256.0
"""Time constant of the noise's lasting part in days, tau = -1 / log(phi), uniform in its log. The
share of the noise's variance that is new every day is uniform over (0, 1)."""

LINKED_TAU_SHORTEST = 2.0
"""The same bound where days are counts or successes: what does not last is their own scatter."""

SIGMA_SCALE = 1.0
SIGMA_DF = 3.0
"""sigma ~ half-Student-t(df, scale): heavy enough for a trend that swells the pre-period sd."""

DISPERSION_SCALE = 1.0
"""dispersion ~ half-Student-t(SIGMA_DF, scale): of counts and successes beyond the noise that
lasts, the sd by which one day's rate is multiplied. Rare events come in bouts: with a variance of
three times the mean at one every other day it is 2, which half the scale all but rules out
(benchmarks/outcomes.py); where there are many events the data tell."""

NU_SHAPE = 2.0
NU_RATE = 0.1
NU_SHIFT = 2.0
"""nu - shift ~ Gamma(shape, rate) for the Student-t likelihood (Juarez & Steel 2010), shifted so
that the innovations keep a variance."""
