"""Traits of members or of their designs, as columns of a meta-regression.

What belongs here: which traits can be told of, and their scale. What does not: the regression
(`integration`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MOST_TRAITS = 2
"""Each one is an axis of the grid; and with more, one of them will look as if it mattered."""
_COLLINEAR = 0.999


@dataclass(frozen=True, eq=False)
class Trait:
    """One trait of every member.

    Parameters
    ----------
    name
        Of the trait.
    values
        Centred, in sds of the trait, shape (n,).
    sd
        Of the trait in its own unit.
    """

    name: str
    values: np.ndarray
    sd: float


def standardised(traits: pd.DataFrame, names: Sequence[str]) -> tuple[Trait, ...]:
    """Return the traits of members, checked.

    Parameters
    ----------
    traits
        One or two columns of numbers (or True and False), its index names of members.
    names
        Of the members.

    Raises
    ------
    ValueError
        Naming the trait, the rule and the value.
    """
    if not 1 <= traits.shape[1] <= MOST_TRAITS:
        raise ValueError(f"a regression takes 1 or 2 traits but got {list(traits.columns)}")
    index = pd.Index(traits.index.map(str))
    if index.has_duplicates:
        twice = sorted(set(index[index.duplicated()]))[:5]
        raise ValueError(f"each member must have one row of traits but {twice} have more")
    missing = [name for name in names if name not in index]
    if missing:
        raise ValueError(
            f"{len(missing)} members have no traits, as {missing[:5]}: give them, or pool those "
            "alone whose traits are known"
        )
    found = []
    for name in traits.columns:
        values = pd.Series(traits[name].to_numpy(float), index).loc[list(names)].to_numpy()
        if not np.isfinite(values).all():
            raise ValueError(
                f"trait {name!r} must be finite for every member but is not for "
                f"{[names[i] for i in np.flatnonzero(~np.isfinite(values))[:5]]}"
            )
        sd = float(values.std())
        if not sd > 1e-12 * max(1.0, float(np.abs(values).max())):
            raise ValueError(
                f"trait {name!r} is {values[0]:g} for every member: it explains nothing"
            )
        found.append(Trait(str(name), (values - values.mean()) / sd, sd))
    if len(found) == MOST_TRAITS:
        alike = float(np.mean(found[0].values * found[1].values))
        if abs(alike) > _COLLINEAR:
            raise ValueError(
                f"traits {found[0].name!r} and {found[1].name!r} have correlation {alike:.4f}: "
                "they cannot be told apart; give one of them"
            )
    return tuple(found)
