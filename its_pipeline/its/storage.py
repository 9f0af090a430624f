"""An analysis on disk: analysis.json, daily.parquet, and its arrays.

What draws are made of lies in grid.npz where quadrature is the estimator, in posterior.npz where
the sampler is; the chains of an auditor, or of what did not converge, lie in trace.npz.

Writing and reading only. Effects travel as JSON float64 and come back bit for bit; chains travel
as float32. Each file is written beside its name and moved into place, so a reader never sees half
of one; which directory it is, and which one is newest, is the experiment store's business.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.its.results import PosteriorDraws, PosteriorGrid

ANALYSIS_FILE = "analysis.json"
DAILY_FILE = "daily.parquet"
GRID_FILE = "grid.npz"
POSTERIOR_FILE = "posterior.npz"
TRACE_FILE = "trace.npz"

DAILY_COLUMNS = (
    "day",
    "phase",
    "observed",
    "fitted",
    "counterfactual",
    "counterfactual_lower",
    "counterfactual_upper",
    "counterfactual_lower_50",
    "counterfactual_upper_50",
    "effect",
    "effect_lower",
    "effect_upper",
    "cumulative_effect",
    "cumulative_lower",
    "cumulative_upper",
)
"""Columns of `Analysis.daily`; the first three alone when the analysis did not converge."""

DRAW_GROUPS = ("coefficients", "estimands", "noise")


@dataclass(frozen=True)
class Stored:
    """What is written of an analysis.

    Parameters
    ----------
    told
        JSON-able values of everything but draws and daily table, effects included.
    daily
        The daily table.
    trace
        Chains of the nuisance parameters, name to shape (chain, draw); may be empty.
    kept
        What draws are made of; None where the analysis did not converge.
    """

    told: dict[str, Any]
    daily: pd.DataFrame
    trace: Mapping[str, np.ndarray]
    kept: PosteriorDraws | PosteriorGrid | None


def write_analysis(directory: Path, stored: Stored) -> Path:
    """Write an analysis into a directory, which is made if need be, and return the directory.

    An analysis that did not converge gets its trace for the diagnostics' sake and nothing else.
    analysis.json is written last: where it lies, the rest lies too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _replace(directory / DAILY_FILE, lambda part: _write_table(part, stored.daily))
    files: dict[str, dict[str, np.ndarray]] = {}
    kept = stored.kept
    if isinstance(kept, PosteriorDraws):
        # A sampler's own noise is the trace.
        files[POSTERIOR_FILE] = {"design": kept.design}
        if kept.trials is not None:
            files[POSTERIOR_FILE]["trials"] = kept.trials
        for group in DRAW_GROUPS:
            for name, values in _as_float32(getattr(kept, group)).items():
                files[POSTERIOR_FILE][f"{group}/{name}"] = values
    else:
        if kept is not None:
            files[GRID_FILE] = {f.name: np.asarray(getattr(kept, f.name)) for f in fields(kept)}
    if stored.trace and not (isinstance(kept, PosteriorDraws) and kept.trials is None):
        files[TRACE_FILE] = _as_float32(stored.trace)
    for name in (GRID_FILE, POSTERIOR_FILE, TRACE_FILE):
        if name in files:
            _replace(directory / name, lambda part, name=name: _write_arrays(part, files[name]))
        else:
            (directory / name).unlink(missing_ok=True)
    text = json.dumps(stored.told, indent=1, allow_nan=False, ensure_ascii=False)
    _replace(directory / ANALYSIS_FILE, lambda part: part.write_text(text, encoding="utf-8"))
    return directory


def as_stored(
    told: dict[str, Any],
    daily: pd.DataFrame,
    trace: Mapping[str, np.ndarray],
    kept: PosteriorDraws | PosteriorGrid | None,
) -> Stored:
    """Return an analysis as reading it back would: draws and chains as float32.

    Parameters
    ----------
    told, daily, trace, kept
        As in `Stored`, of any precision.
    """
    if isinstance(kept, PosteriorDraws):
        narrow = replace(kept, **{name: _as_float32(getattr(kept, name)) for name in DRAW_GROUPS})
        # A sampler's own noise is the trace; of weighed draws it is the auditor's.
        is_sampled = told["diagnostics"].get("quadrature_error") is None
        return Stored(told, daily, dict(narrow.noise) if is_sampled else _as_float32(trace), narrow)
    if kept is not None:
        arrays = {f.name: getattr(kept, f.name) for f in fields(kept)}
        kept = replace(
            kept, **{name: _whole(v) for name, v in arrays.items() if isinstance(v, np.ndarray)}
        )
    return Stored(told, daily, _as_float32(trace), kept)


def _whole(array: np.ndarray) -> np.ndarray:
    """Return an array without the gaps that a part of another one has in memory."""
    flags = array.flags
    return array if flags.c_contiguous or flags.f_contiguous else np.ascontiguousarray(array)


def read_analysis(directory: Path, *, with_trace: bool = True) -> Stored:
    """Read what `write_analysis` wrote.

    Parameters
    ----------
    directory
        Where it lies.
    with_trace
        Whether the chains of an auditor are read too; without them `Stored.trace` is empty there.

    Raises
    ------
    FileNotFoundError
        If one of its files is missing.
    """
    told = json.loads((directory / ANALYSIS_FILE).read_text(encoding="utf-8"))
    daily = pd.read_parquet(directory / DAILY_FILE)
    verdict = told["diagnostics"]
    is_weighed = verdict.get("weighed_draws") is not None
    if verdict["converged"] and verdict.get("quadrature_error") is None:
        posterior = _read_posterior(directory / POSTERIOR_FILE)
        return Stored(told, daily, dict(posterior.noise), posterior)
    trace: dict[str, np.ndarray] = {}
    if with_trace and told["diagnostics"]["draws"]:
        with np.load(directory / TRACE_FILE) as arrays:
            trace = _with_present_names({name: arrays[name] for name in arrays.files})
    if not verdict["converged"]:
        return Stored(told, daily, trace, None)
    if is_weighed:
        return Stored(told, daily, trace, _read_posterior(directory / POSTERIOR_FILE))
    return Stored(told, daily, trace, _read_grid(directory / GRID_FILE))


def _read_grid(path: Path) -> PosteriorGrid:
    with np.load(path) as stored:
        values: dict[str, Any] = {name: stored[name] for name in stored.files}
    values["names"] = tuple(str(name) for name in values["names"])
    for name in ("centre", "scale", "observed_sum"):
        values[name] = float(values[name])
    values["n_post"] = int(values["n_post"])
    return PosteriorGrid(**values)


def _read_posterior(path: Path) -> PosteriorDraws:
    groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in DRAW_GROUPS}
    with np.load(path) as stored:
        for key in stored.files:
            group, _, name = key.partition("/")
            if name:
                groups[group][name] = stored[key]
        groups["noise"] = _with_present_names(groups["noise"])
        trials = stored["trials"] if "trials" in stored.files else None
        return PosteriorDraws(design=stored["design"], trials=trials, **groups)


def _with_present_names(noise: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Name the noise of an analysis from before there was noise that is new every day."""
    if "rho" not in noise:
        return noise
    rest = {name: values for name, values in noise.items() if name != "rho"}
    return {"phi": noise["rho"], "share_new": np.zeros_like(noise["rho"]), **rest}


def _as_float32(draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(values, dtype=np.float32) for name, values in draws.items()}


def _write_table(path: Path, table: pd.DataFrame) -> None:
    # Half the time of pandas' own way, which keeps an index that there is none of.
    columns = {str(name): pa.array(table[name].to_numpy()) for name in table.columns}
    pq.write_table(pa.table(columns), path, use_dictionary=False)


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    # Not compressed: random digits shrink by an eighth, and squeezing them costs ten times as long.
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _replace(target: Path, write: Callable[[Path], object]) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
