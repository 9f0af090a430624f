"""Counts and yes/no outcomes of a known model, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special


def latent(n, rng, rho=0.6, sd=0.3):
    """Return AR(1) noise of a predictor, shape (n,)."""
    found = np.zeros(n)
    state = rng.standard_normal()
    for t in range(n):
        state = rho * state + np.sqrt(1.0 - rho**2) * rng.standard_normal()
        found[t] = sd * state
    return found


def outcome_of(kind, n=60, seed=0, base=2.0, effect=0.0, dispersion=0.5, per=None, **noise):
    """Return a daily series with `effect` on its predictor from the middle on.

    `kind` is "poisson", "negative_binomial" or "binomial" (then `base` is a probability); `per` is
    the person-time or the number of trials of each day.
    """
    rng = np.random.default_rng([seed, n])
    days = pd.date_range("2026-01-01", periods=n)
    eta = latent(n, rng, **noise) + effect * (np.arange(n) >= n // 2)
    per = np.ones(n) if per is None else np.asarray(per)
    if kind == "binomial":
        p = special.expit(special.logit(base) + eta)
        return pd.Series(rng.binomial(per.astype(int), p) / per, days)
    rate = base * per * np.exp(eta)
    if kind == "negative_binomial":
        rate = rate * rng.gamma(dispersion**-2, dispersion**2, n)
    return pd.Series(rng.poisson(rate).astype(float), days)
