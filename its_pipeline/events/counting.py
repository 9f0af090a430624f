"""Drawing what a simulated person counts, or ticks as yes or no: one number a day.

What belongs here: rates and odds that drift, and are multiplied by an intervention. What does not:
measured outcomes and events (`simulator`), or people (`people`).
"""

from __future__ import annotations

import numpy as np

from its_pipeline.events.people import Person

DISPERSION = 0.2
"""Relative sd of a day's rate beside what lasts: counts scatter wider than Poisson's."""


def drawn_answers(
    person: Person, rng: np.random.Generator, noise: np.ndarray, on: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each day, and what the intervention changed its mean by.

    Parameters
    ----------
    person
        Who counts or ticks.
    rng
        Of the days.
    noise
        AR(1) noise of unit variance, shape (days,); `person.sd` times it is added to the log of
        the rate or of the odds.
    on
        Whether the intervention was on, shape (days,).

    Returns
    -------
    values
        Counts, or 0 and 1, shape (days,).
    effect
        In events a day, or in probability, shape (days,).
    """
    drift = np.exp(person.sd * noise)
    times = np.where(on, person.ratio, 1.0)
    if person.kind == "counted":
        without = person.level * drift
        size = DISPERSION**-2
        gamma = rng.gamma(size, 1.0 / size, len(noise))
        return rng.poisson(without * times * gamma).astype(float), without * (times - 1.0)
    odds = person.level / (1.0 - person.level) * drift
    with_it, without = odds * times / (1.0 + odds * times), odds / (1.0 + odds)
    return (rng.random(len(noise)) < with_it).astype(float), with_it - without
