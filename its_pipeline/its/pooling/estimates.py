"""The members of a pool: their names, what each one's days say, and the rules they must keep.

What belongs here: the record of one member and many members as flat arrays. What does not: where
estimates come from (`its.effect_likelihood`), or what is made of them (`pool`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from its_pipeline.its.pooling.likelihood import EffectLikelihood

BASELINE_SD = "sd of the baseline"
"""Unit of standardised effects."""
FEWEST_MEMBERS = 2


@dataclass(frozen=True, eq=False)
class Estimate:
    """What one member's own days say of its effect.

    Parameters
    ----------
    name
        Of the member: one name, one member.
    likelihood
        Of its effect.
    unit
        Of the effect; all members of a pool have the same.
    baseline_sd
        Sd of the member's days without the intervention, in `unit`: what the priors of a pool are
        stated in. None where it is not known.
    """

    name: str
    likelihood: EffectLikelihood
    unit: str = ""
    baseline_sd: float | None = None

    def standardised(self) -> Estimate:
        """Return the estimate in standard deviations of the days without the intervention.

        Raises
        ------
        ValueError
            If those do not vary, or how much is not known.
        """
        sd = self.baseline_sd or 0.0
        if not sd > 0.0:
            raise ValueError(
                f"{self.name!r}: the days without the intervention have sd {sd:g}, and an effect "
                "can be told in their sds only where they vary; pool in the outcome's unit"
            )
        return Estimate(self.name, self.likelihood.scaled(1.0 / sd), BASELINE_SD, 1.0)

    @classmethod
    def normal(
        cls, name: str, mean: float, sd: float, unit: str = "", baseline_sd: float | None = None
    ) -> Estimate:
        """Return anybody's own estimate with its standard error.

        Parameters
        ----------
        name
            Of the member.
        mean, sd
            Estimate and standard error, in `unit`.
        unit, baseline_sd
            See the class.

        Raises
        ------
        ValueError
            If a number is not finite, or `sd` is not positive.
        """
        if not (math.isfinite(mean) and math.isfinite(sd) and sd > 0.0):
            raise ValueError(
                f"{name!r}: an estimate needs a finite mean and an sd > 0 but got mean {mean!r} "
                f"and sd {sd!r}; leave the member out and count it in `without_estimate`"
            )
        return cls(name, EffectLikelihood.normal(mean, sd), unit, baseline_sd)


@dataclass(frozen=True, eq=False)
class Members:
    """Many members as flat arrays.

    Parameters
    ----------
    names
        One a member.
    offsets
        Where each one's Gaussians begin, shape (n + 1,).
    parts
        Log weights, means and variances of all Gaussians, shape (3, sum of k).
    counts
        How often each member counts, shape (n,).
    columns
        What each one's expected effect is linear in, shape (n, q); the first is 1.
    unit
        Of the effects.
    baseline_sd
        Median of those that are known, in `unit`; None where none is.
    """

    names: tuple[str, ...]
    offsets: np.ndarray
    parts: np.ndarray
    counts: np.ndarray
    columns: np.ndarray
    unit: str
    baseline_sd: float | None

    @classmethod
    def of(cls, estimates: Sequence[Estimate] | pd.DataFrame, unit: str = "") -> Members:
        """Return members, checked.

        Parameters
        ----------
        estimates
            Records; or a table of columns "mean" and "sd" (and "baseline_sd"), its index the names.
        unit
            Of the effects in a table.

        Raises
        ------
        ValueError
            If there are fewer than two, a name twice, or units differ; naming the value.
        """
        if isinstance(estimates, pd.DataFrame):
            return _of_table(estimates, unit)
        names = tuple(str(each.name) for each in estimates)
        _check_names(names)
        units = Counter(each.unit for each in estimates)
        if len(units) > 1:
            told = ", ".join(f"{count} in {name!r}" for name, count in units.most_common(4))
            raise ValueError(
                f"effects must be of one unit but got {told}: convert them, or pool standardised "
                f"effects ({BASELINE_SD!r})"
            )
        parts = [each.likelihood.parts for each in estimates]
        known = [each.baseline_sd for each in estimates if each.baseline_sd is not None]
        return _members(
            names,
            np.array([p.shape[1] for p in parts]),
            np.concatenate(parts, axis=1),
            next(iter(units)),
            known,
        )

    @classmethod
    def of_one(cls, estimate: Estimate) -> Members:
        """Return one member alone, to be added to others."""
        parts = estimate.likelihood.parts
        known = () if estimate.baseline_sd is None else (estimate.baseline_sd,)
        sizes = np.array([parts.shape[1]])
        return _members((str(estimate.name),), sizes, parts, estimate.unit, known)

    def __len__(self) -> int:
        return len(self.names)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and sd of each likelihood, shape (n,) each."""
        starts = self.offsets[:-1]
        weights = np.exp(self.parts[0])
        means = np.add.reduceat(weights * self.parts[1], starts)
        away = self.parts[1] - np.repeat(means, np.diff(self.offsets))
        return means, np.sqrt(np.add.reduceat(weights * (self.parts[2] + away**2), starts))

    def chosen(self, which: np.ndarray) -> Members:
        """Return some of the members, their numbers of shape (m,)."""
        sizes = np.diff(self.offsets)
        rows = np.concatenate([np.arange(*self.offsets[i : i + 2].tolist()) for i in which])
        return Members(
            tuple(self.names[i] for i in which),
            np.concatenate([[0], np.cumsum(sizes[which])]),
            np.ascontiguousarray(self.parts[:, rows]),
            self.counts[which],
            self.columns[which],
            self.unit,
            self.baseline_sd,
        )

    def and_also(self, others: Members) -> Members:
        """Return these members and others behind them."""
        return Members(
            self.names + others.names,
            np.concatenate([self.offsets, self.offsets[-1] + others.offsets[1:]]),
            np.concatenate([self.parts, others.parts], axis=1),
            np.concatenate([self.counts, others.counts]),
            np.concatenate([self.columns, others.columns]),
            self.unit,
            self.baseline_sd,
        )


def _members(
    names: tuple[str, ...], sizes: np.ndarray, parts: np.ndarray, unit: str, known: Sequence[float]
) -> Members:
    with np.errstate(divide="ignore"):
        rows = np.stack([np.log(parts[0]), parts[1], np.square(parts[2])])
    return Members(
        names=names,
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        parts=rows,
        counts=np.ones(len(names)),
        columns=np.ones((len(names), 1)),
        unit=unit,
        baseline_sd=float(np.median(known)) if len(known) else None,
    )


def _of_table(table: pd.DataFrame, unit: str) -> Members:
    missing = [name for name in ("mean", "sd") if name not in table.columns]
    if missing:
        raise ValueError(
            f"a table of estimates needs the columns mean and sd but {missing} are not among "
            f"{list(table.columns)}"
        )
    names = tuple(map(str, table.index))
    _check_names(names)
    means, sds = table["mean"].to_numpy(float), table["sd"].to_numpy(float)
    wrong = np.flatnonzero(~(np.isfinite(means) & np.isfinite(sds) & (sds > 0.0)))
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            f"{names[first]!r}: an estimate needs a finite mean and an sd > 0 but got mean "
            f"{means[first]!r} and sd {sds[first]!r} ({len(wrong)} in all); leave them out and "
            "count them in `without_estimate`"
        )
    known = table["baseline_sd"].dropna().to_numpy(float) if "baseline_sd" in table else []
    parts = np.stack([np.ones(len(names)), means, sds])
    return _members(names, np.ones(len(names), int), parts, unit, known)


def _check_names(names: tuple[str, ...]) -> None:
    if len(names) < FEWEST_MEMBERS:
        raise ValueError(
            f"a pool needs at least {FEWEST_MEMBERS} members but got {len(names)}: how effects "
            "spread cannot be learnt of one"
        )
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).most_common(5) if count > 1]
        raise ValueError(
            f"each member must be named once but {twice} are there more than once: pool one "
            "estimate a person, or name experiments apart"
        )
