"""The answer of one analysis: effects, what stands behind them, and what a caller may ask of it.

An `Analysis` that did not converge holds no effects and no coefficient draws at all: they are
dropped before it is built, so no attribute, serialisation or pickle can leak them. Computing the
pieces lives in `engine`; writing them to disk in `storage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from its_pipeline.its import models, storage
from its_pipeline.its.comparison_results import Comparisons
from its_pipeline.its.errors import NotConverged
from its_pipeline.its.grid_draws import draws_of
from its_pipeline.its.predictive import on_own_scale, replicated
from its_pipeline.its.results import (
    AnalysisWarning,
    ChangeDate,
    Diagnostics,
    Effects,
    PosteriorDraws,
    PosteriorGrid,
    WhatIf,
)
from its_pipeline.its.schedule_results import ScheduleResults, phase_table
from its_pipeline.its.spec import AnalysisSpec

if TYPE_CHECKING:
    import arviz
    import pandas as pd

    from its_pipeline.its.decisions.randomisation import Randomisation


@dataclass(frozen=True, eq=False)
class Analysis:
    """Answer for one series and one intervention.

    Parameters
    ----------
    spec
        The settings it was computed with.
    intervention_on
        First post day, INCLUSIVE.
    fit_start_on
        First post day that is in the fit: `intervention_on` plus the washout.
    effects
        All estimands, or None when the gate was not passed.
    probability_of_benefit
        P(counterfactual effect beats `minimum_effect` in the declared direction), or None.
    n_pre, n_post
        Observed days in the two phases of the fit.
    warnings
        What a reader must know, as data.
    diagnostics
        The gate's verdict.
    daily
        One row a calendar day (month for monthly series) of the window; columns
        `storage.DAILY_COLUMNS`, the first three alone when not converged.
    has_slope
        Whether the slope may change at the intervention.
    model_version
        `MODEL_VERSION` of the code that computed it.
    timing
        Seconds by part: "prepare", "fit", "audit", "effects", "sensitivity", "total".
    trace
        Chains of the nuisance parameters alone, of the sampler or the auditor; empty where neither
        ran.
    kept
        What all draws are made of; None when not converged.
    coefficients
        Mean and sd of the regression's coefficients by name, in the outcome's own units; empty
        when not converged.
    what_if
        The average effect under other beliefs about straight trends; empty when not converged.
    change_dates
        How probable each date of the change is; empty where no change is clear, in a forecast, with
        a likelihood that has to be sampled, and where there is more than one switch.
    by_schedule
        What follows from when the intervention acted: phases, other interventions, the lot; None in
        an answer that was stored before there were schedules.
    comparisons
        What comparison series do to the effect; None where none is in the model.
    """

    spec: AnalysisSpec
    intervention_on: date
    fit_start_on: date
    effects: Effects | None
    probability_of_benefit: float | None
    n_pre: int
    n_post: int
    warnings: tuple[AnalysisWarning, ...]
    diagnostics: Diagnostics
    daily: pd.DataFrame
    has_slope: bool
    model_version: str
    timing: Mapping[str, float]
    trace: Mapping[str, np.ndarray] = field(repr=False)
    kept: PosteriorDraws | PosteriorGrid | None = field(default=None, repr=False)
    coefficients: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    what_if: tuple[WhatIf, ...] = ()
    change_dates: tuple[ChangeDate, ...] = ()
    by_schedule: ScheduleResults | None = None
    comparisons: Comparisons | None = None

    def __post_init__(self) -> None:
        if self.diagnostics.converged is not True and (
            self.effects is not None
            or self.probability_of_benefit is not None
            or self.kept is not None
            or self.coefficients
            or self.what_if
            or self.change_dates
            or self.comparisons
            or (self.by_schedule is not None and self.by_schedule.shows_effects)
            or set(self.daily.columns) - set(storage.DAILY_COLUMNS[:3])
        ):
            raise ValueError(
                "an analysis that did not converge must be built without effects, draws and "
                f"fitted values; converged is {self.diagnostics.converged!r}"
            )

    @property
    def converged(self) -> bool:
        """Whether the gate was passed."""
        return self.diagnostics.converged is True

    @property
    def phases(self) -> pd.DataFrame:
        """One row a phase: from_on, to_on, on, n, mean, and its effect against the days off.

        `effect`, `sd`, `ci_lower`, `ci_upper` and `probability_positive` are NaN on phases off, and
        not there when not converged.
        """
        return phase_table(() if self.by_schedule is None else self.by_schedule.phases)

    @property
    def is_on_and_off(self) -> bool:
        """Whether the intervention was on and off again, not one change from one day on."""
        return self.by_schedule is not None and self.by_schedule.is_on_and_off

    @property
    def phase_names(self) -> tuple[str, str]:
        """What `daily` calls days without and days with the intervention."""
        return ("off", "on") if self.is_on_and_off else ("pre", "post")

    @property
    def randomisation(self) -> Randomisation | None:
        """The test by the lot that the days were drawn by; None where none was drawn."""
        return None if self.by_schedule is None else self.by_schedule.randomisation

    @property
    def sampler_trace(self) -> Mapping[str, np.ndarray]:
        """Chains of the nuisance parameters ("sigma" and others) as (chain, draw).

        There for every analysis that was sampled or audited, so that diagnostics can be drawn for
        one that did not converge.
        """
        return MappingProxyType(dict(self.trace))

    @property
    def parameter_labels(self) -> Mapping[str, str]:
        """What a figure calls the nuisance parameters."""
        noise_model = models.noise_model(self.spec.noise)
        return {**noise_model.labels, **models.likelihood(self.spec.likelihood).labels}

    @property
    def correlation_of_neighbours(self) -> np.ndarray:
        """Draws of the correlation of the errors of two neighbouring days, shape (chain, draw).

        Raises
        ------
        NotConverged
            If the gate was not passed.
        """
        model = models.noise_model(self.spec.noise)
        return model.correlation_of_neighbours(self._posterior.noise)

    @property
    def posterior(self) -> PosteriorDraws | None:
        """All draws, made when first asked for where quadrature is the estimator; None without."""
        return None if self.kept is None else self._posterior

    @property
    def draws(self) -> Mapping[str, np.ndarray]:
        """All draws by name, shape (chain, draw), in the outcome's own units.

        Raises
        ------
        NotConverged
            If the gate was not passed.
        """
        made = self._posterior
        return MappingProxyType({**made.coefficients, **made.noise, **made.estimands})

    @property
    def idata(self) -> arviz.InferenceData:
        """The draws as ArviZ InferenceData (imports ArviZ; seconds the first time).

        Raises
        ------
        NotConverged
            If the gate was not passed.
        """
        posterior = self._posterior
        import arviz

        observed = self.daily["observed"].to_numpy()
        present = np.isfinite(observed)
        return arviz.from_dict(
            posterior=dict(self.draws),
            observed_data={"outcome": observed[present]},
            constant_data={"design": posterior.design[present]},
            coords={
                "day": self.daily["day"].to_numpy()[present],
                "coefficient": list(posterior.coefficients),
            },
            dims={"outcome": ["day"], "design": ["day", "coefficient"]},
            attrs={"model_version": self.model_version, "seed": self.spec.seed},
        )

    def expected(self) -> np.ndarray:
        """Return the regression's mean on every day, without the noise's drift, shape (n_days,).

        Raises
        ------
        NotConverged
            If the gate was not passed.
        """
        if isinstance(self.kept, PosteriorGrid):
            means = [self.coefficients[name][0] for name in self.kept.names]
            return on_own_scale(self.kept.reported @ np.array(means), self.spec)
        posterior = self._posterior
        means = [float(np.mean(draws)) for draws in posterior.coefficients.values()]
        return on_own_scale(posterior.design @ np.array(means), self.spec)

    def posterior_predictive(self, n: int = 200, seed: int = 0) -> np.ndarray:
        """Draw replicated series from the fitted model, autocorrelated noise included.

        Parameters
        ----------
        n
            How many replicated series.
        seed
            Seed of the draws picked and of the noise.

        Returns
        -------
        np.ndarray
            Shape (n, n_days), one column a row of `daily`.

        Raises
        ------
        NotConverged
            If the gate was not passed.
        ValueError
            If `n` is not positive.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1 but got {n}")
        rng = np.random.default_rng(seed)
        if isinstance(self.kept, PosteriorGrid):
            posterior = draws_of(self.kept, models.noise_model(self.spec.noise), 1, n, seed)
            chosen = np.arange(n)
        else:
            posterior = self._posterior
            total = posterior.noise["sigma"].size
            chosen = rng.choice(total, size=n, replace=n > total)
        return replicated(posterior, chosen, self.spec, rng)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the draws and the daily table as JSON-able values.

        `effects` and `probability_of_benefit` are None when the gate was not passed.
        """
        return {
            "model_version": self.model_version,
            "spec": self.spec.to_dict(),
            "intervention_on": self.intervention_on.isoformat(),
            "fit_start_on": self.fit_start_on.isoformat(),
            "n_pre": self.n_pre,
            "n_post": self.n_post,
            "has_slope": self.has_slope,
            "effects": None if self.effects is None else self.effects.to_dict(),
            "probability_of_benefit": self.probability_of_benefit,
            "coefficients": {name: list(pair) for name, pair in self.coefficients.items()},
            "what_if": [each.to_dict() for each in self.what_if],
            "change_dates": [each.to_dict() for each in self.change_dates],
            "by_schedule": None if self.by_schedule is None else self.by_schedule.to_dict(),
            "comparisons": None if self.comparisons is None else self.comparisons.to_dict(),
            "warnings": [warning.to_dict() for warning in self.warnings],
            "diagnostics": self.diagnostics.to_dict(),
            "timing": dict(self.timing),
        }

    def save(self, directory: Path | str) -> Path:
        """Write analysis.json, daily.parquet and what draws are made of; return the directory.

        Parameters
        ----------
        directory
            Folder to write into; made where it is not there.
        """
        return storage.write_analysis(Path(directory), self.stored())

    def stored(self) -> storage.Stored:
        """Return what `load` reads of what `save` writes."""
        return storage.as_stored(self.to_dict(), self.daily, self.trace, self.kept)

    @classmethod
    def load(cls, directory: Path | str) -> Analysis:
        """Read what `save` wrote; effects come back exactly, chains as float32.

        Parameters
        ----------
        directory
            Folder that `save` wrote into.

        Raises
        ------
        FileNotFoundError
            If one of its files is missing.
        """
        return cls.from_stored(storage.read_analysis(Path(directory)))

    @classmethod
    def from_stored(cls, stored: storage.Stored) -> Analysis:
        """Build an analysis from what `storage.read_analysis` or `packing.unpacked` returned.

        Parameters
        ----------
        stored
            What is written of one.
        """
        told = stored.told
        return cls(
            spec=AnalysisSpec.from_dict(told["spec"]),
            intervention_on=date.fromisoformat(told["intervention_on"]),
            fit_start_on=date.fromisoformat(told["fit_start_on"]),
            effects=None if told["effects"] is None else Effects.from_dict(told["effects"]),
            probability_of_benefit=told["probability_of_benefit"],
            n_pre=told["n_pre"],
            n_post=told["n_post"],
            warnings=tuple(AnalysisWarning.from_dict(w) for w in told["warnings"]),
            diagnostics=Diagnostics.from_dict(told["diagnostics"]),
            daily=stored.daily,
            has_slope=told["has_slope"],
            model_version=told["model_version"],
            timing=told["timing"],
            trace=stored.trace,
            kept=stored.kept,
            coefficients={name: tuple(of) for name, of in told.get("coefficients", {}).items()},
            what_if=tuple(WhatIf(**each) for each in told.get("what_if", ())),
            change_dates=tuple(map(ChangeDate.from_dict, told.get("change_dates", ()))),
            by_schedule=ScheduleResults.of(told.get("by_schedule")),
            comparisons=Comparisons.of(told.get("comparisons")),
        )

    @cached_property
    def _posterior(self) -> PosteriorDraws:
        if self.kept is None:
            raise NotConverged(self.diagnostics.failures)
        if isinstance(self.kept, PosteriorDraws):
            return self.kept
        spec = self.spec
        return draws_of(
            self.kept,
            models.noise_model(spec.noise),
            spec.chains,
            spec.draws,
            spec.seed,
            spec.interval_factor,
            is_logarithmic=spec.is_logarithmic,
        )
