"""The independent witness: a few analyses fitted again by PyMC through CausalPy.

What belongs here: which analyses are drawn, the second fit, and how the two answers are compared.
What does not: PyMC's graph of the model (`its.adapters.causalpy`), or how Dagster shows the outcome
(`defs`).

Only experiments with one change and nothing else in their model are drawn: CausalPy's piecewise
formula knows no other. Nothing of ours takes part in the second fit but the statement of the model:
CausalPy's formula and design, PyMC's graph, compiled and sampled by PyMC's own NUTS, diagnosed by
ArviZ. It takes minutes an analysis, so it is done weekly and on command, of a few.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shared_files import write_shared
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.its.estimand_names import ESTIMANDS

if TYPE_CHECKING:
    from its_pipeline.its.results import Effect
    from its_pipeline.settings import Settings

MEAN_DIFFERENCE_MAX: Final = 0.1
"""The two answers' means may differ by this share of an sd, Monte Carlo error not counted."""
SD_RATIO_MAX: Final = 0.1
"""Their sds may differ by this share."""
R_HAT_MAX: Final = 1.05
"""Chains of PyMC that mix worse tell nothing, for or against."""
_DRAWS, _TUNE, _CHAINS = 1000, 1000, 2
_WEEKDAYS = 7


@dataclass(frozen=True)
class PeerAnswer:
    """One estimand of one experiment, by us and by PyMC.

    Attributes
    ----------
    key, fingerprint
        The analysis.
    estimand
        Name of the estimand.
    mean, sd
        Ours.
    peer_mean, peer_sd
        PyMC's.
    peer_mcse
        Monte Carlo standard error of PyMC's mean.
    r_hat
        Largest R-hat of PyMC's chains, by ArviZ.
    """

    key: str
    fingerprint: str
    estimand: str
    mean: float
    sd: float
    peer_mean: float
    peer_sd: float
    peer_mcse: float
    r_hat: float

    @property
    def mixed(self) -> bool:
        """Whether PyMC's chains can be relied on."""
        return self.r_hat <= R_HAT_MAX

    @property
    def agrees(self) -> bool:
        """Whether the two answers are the same, as far as PyMC's draws can tell."""
        slack = 3.0 * self.peer_mcse
        away = abs(self.peer_mean - self.mean)
        # An sd's own Monte Carlo error is about its mean's over the root of two.
        wide = abs(self.peer_sd / self.sd - 1.0)
        return away <= MEAN_DIFFERENCE_MAX * self.sd + slack and wide <= SD_RATIO_MAX + slack / (
            self.sd * math.sqrt(2.0)
        )


@dataclass(frozen=True)
class PeerAudit:
    """What a peer audit came to.

    Attributes
    ----------
    decided_at
        When, ISO 8601, UTC.
    candidates
        How many analyses could have been drawn.
    answers
        One entry an estimand of each that was.
    pictures
        Of each audited key our figure and CausalPy's, as PNG.
    """

    decided_at: str
    candidates: int
    answers: tuple[PeerAnswer, ...]
    pictures: Mapping[str, tuple[bytes, bytes]]

    @property
    def disagreeing(self) -> tuple[PeerAnswer, ...]:
        """Answers on which the two do not agree though PyMC's chains mixed."""
        return tuple(each for each in self.answers if each.mixed and not each.agrees)

    @property
    def unjudged(self) -> tuple[PeerAnswer, ...]:
        """Answers of chains that did not mix."""
        return tuple(each for each in self.answers if not each.mixed)


def audit_by_peers(settings: Settings, now: datetime, keys: list[str] | None = None) -> PeerAudit:
    """Fit a few analyses again with PyMC, and keep what came of it.

    Parameters
    ----------
    settings
        The installation.
    now
        UTC; the lot is drawn by its ISO week, so one week draws the same ones however often.
    keys
        Experiments instead of a lot.

    Raises
    ------
    ValueError
        If a given key has no analysis that can be fitted again.
    """
    snapshot = Snapshot(settings)
    candidates = _candidates(snapshot)
    if keys is not None:
        unknown = sorted(set(keys) - set(candidates))
        if unknown:
            raise ValueError(
                f"{unknown[0]} has no published analysis of a kind that PyMC can fit again: it "
                "must be analysed, up to date, one change from one day on and alone in its model, "
                "with the normal likelihood and every weekday seen"
            )
        drawn = keys
    else:
        year, week, _ = now.isocalendar()
        rng = np.random.default_rng([year, week])
        many = min(settings.peer_audits, len(candidates))
        drawn = sorted(rng.choice(sorted(candidates), size=many, replace=False).tolist())
    answers: list[PeerAnswer] = []
    pictures = {}
    for key in drawn:
        found, pictures[key] = _fit_again(settings, candidates[key])
        answers += found
    audit = PeerAudit(now.isoformat(timespec="seconds"), len(candidates), tuple(answers), pictures)
    told = {
        "decided_at": audit.decided_at,
        "candidates": audit.candidates,
        "answers": [asdict(each) for each in audit.answers],
    }
    content = json.dumps(told, indent=1, allow_nan=False)
    write_shared(settings, settings.peer_audit_path, content.encode())
    return audit


def read_peer_audit(settings: Settings) -> PeerAudit | None:
    """Return the newest peer audit without its pictures; None where there has been none."""

    def parsed(path: Path) -> PeerAudit:
        told = json.loads(path.read_bytes())
        answers = tuple(PeerAnswer(**each) for each in told["answers"])
        return PeerAudit(told["decided_at"], told["candidates"], answers, {})

    return read_or_set_aside(settings.peer_audit_path, parsed, settings.store_root)


def _candidates(snapshot: Snapshot) -> dict[str, Prepared]:
    """Return the experiments whose published analysis can be fitted again, by key."""
    store = open_store(snapshot.settings)
    found = {}
    for key in snapshot.experiment_keys(include_withdrawn=False):
        verdict = store.verdict(key)
        if verdict is None or verdict.status != "analysed":
            continue
        prepared = snapshot.prepare(key)
        if prepared.fingerprint == verdict.fingerprint and _can_be_fitted(prepared):
            found[key] = prepared
    return found


def _can_be_fitted(prepared: Prepared) -> bool:
    spec, outcome = prepared.spec, prepared.outcome
    if spec is None or outcome is None or spec.likelihood != "normal":
        return False
    if not spec.calendar.is_daily:
        return False
    # CausalPy's piecewise formula has one step and one ramp: no phases, and no second intervention.
    if not prepared.schedule.is_single_change or prepared.others:
        return False
    days = outcome.index[outcome.notna()].to_numpy().astype("datetime64[D]")
    return spec.season == "none" or len(set(days.astype(int) % _WEEKDAYS)) == _WEEKDAYS


def _fit_again(
    settings: Settings, prepared: Prepared
) -> tuple[list[PeerAnswer], tuple[bytes, bytes]]:
    import arviz as az
    import causalpy
    import pandas as pd

    from its_pipeline.its.adapters.causalpy import SegmentedAR1White
    from its_pipeline.its.designs.yearly import yearly_columns
    from its_pipeline.its.plots import thumbnail_png

    key, spec = prepared.plan.key, prepared.spec
    if spec is None or prepared.outcome is None or prepared.fingerprint is None:
        raise ValueError(f"a candidate should have a series: {key}")
    ours = open_store(settings).analysis(key, prepared.fingerprint)
    if ours is None:
        raise ValueError(f"a candidate should have an analysis: {key}")
    days = pd.DatetimeIndex(prepared.outcome.index)
    since = (days - pd.Timestamp(prepared.intervention.started_on)).days.to_numpy()
    start = int(-since.min())
    frame = pd.DataFrame({"y": prepared.outcome.to_numpy(float), "t": since + start}, index=days)
    formula = f"y ~ 1 + t + step(t, {start})" + (f" + ramp(t, {start})" if ours.has_slope else "")
    if spec.season == "day_of_week":
        frame["dow"] = days.dayofweek
        formula += " + C(dow)"
    for name, column in yearly_columns(days).items():
        if name in ours.coefficients:
            frame[name] = column
            formula += f" + {name}"
    for name in ours.coefficients:
        if prepared.covariates is not None and name in prepared.covariates:
            # A comparison series may be called as a column of ours.
            frame[f"covariate_{name}"] = prepared.covariates[name].to_numpy(float)
            formula += f" + covariate_{name}"
    kept = frame["y"].notna() & ~((since >= 0) & (since < spec.washout_days))
    frame = frame[kept.to_numpy()].reset_index(drop=True)
    options = {
        "draws": _DRAWS,
        "tune": _TUNE,
        "chains": _CHAINS,
        "random_seed": spec.seed,
        "progressbar": False,
    }
    model = SegmentedAR1White(options, sampler="pymc")
    result = causalpy.PiecewiseITS(frame, formula=formula, model=model)
    if model.idata is None:
        raise ValueError(f"PyMC gave no draws for {key}")
    posterior = model.idata["posterior"]
    names = [str(name) for name in posterior["coeffs"].to_numpy()]
    beta = posterior["beta"].to_numpy()[:, :, 0, :]
    ramp = f"ramp(t, {start})"
    post = frame["t"].to_numpy() >= start
    immediate = beta[..., names.index(f"step(t, {start})")]
    average = immediate
    drawn = {"immediate": immediate}
    if ramp in names:
        slope = beta[..., names.index(ramp)]
        average = immediate + slope * float(np.mean(frame["t"].to_numpy()[post] - start))
        drawn["sustained"] = spec.steps_per_slope_period * slope
    drawn["counterfactual"] = average
    worst = _worst_r_hat(az, posterior)
    answers = []
    for estimand in ESTIMANDS:
        effect: Effect | None = getattr(ours.effects, estimand.name)
        if estimand.name not in drawn or effect is None:
            continue
        values = drawn[estimand.name]
        answers.append(
            PeerAnswer(
                key=key,
                fingerprint=prepared.fingerprint,
                estimand=estimand.name,
                mean=effect.mean,
                sd=effect.sd,
                peer_mean=float(values.mean()),
                peer_sd=float(values.std()),
                peer_mcse=float(az.mcse(az.convert_to_dataset({"x": values}))["x"]),
                r_hat=worst,
            )
        )
    return answers, (thumbnail_png(ours), _png(result))


def _worst_r_hat(az: Any, posterior: Any) -> float:
    by_name = az.rhat(posterior[["beta", "sigma", "phi", "share_new"]])
    return float(max(float(by_name[name].max()) for name in by_name.data_vars))


def _png(result: Any) -> bytes:
    figure, _ = result.plot()
    figure.set_size_inches(4.5, 4.0)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=60)
    return stream.getvalue()
