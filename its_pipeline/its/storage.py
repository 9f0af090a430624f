"""An analysis on disk: analysis.json, daily.parquet, and posterior.npz or trace.npz.

Writing and reading only. Effects travel as JSON float64 and come back bit for bit; draws travel
as float32. Each file is written beside its name and moved into place, so a reader never sees half
of one; which directory it is, and which one is newest, is the experiment store's business.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.its.analysis import Analysis, PosteriorDraws
from its_pipeline.its.results import AnalysisWarning, Diagnostics, Effects
from its_pipeline.its.spec import AnalysisSpec

ANALYSIS_FILE = "analysis.json"
DAILY_FILE = "daily.parquet"
POSTERIOR_FILE = "posterior.npz"
TRACE_FILE = "trace.npz"

_GROUPS = ("coefficients", "estimands", "noise")


def save_analysis(analysis: Analysis, directory: Path) -> Path:
    """Write an analysis into a directory, which is made if need be, and return the directory.

    An analysis that did not converge gets its trace for the diagnostics' sake and no posterior.
    analysis.json is written last: where it lies, the rest lies too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _replace(directory / DAILY_FILE, lambda part: _write_table(part, analysis.daily))
    target, trace = directory / POSTERIOR_FILE, directory / TRACE_FILE
    if analysis.posterior is None:
        target.unlink(missing_ok=True)
        _replace(trace, lambda part: _write_arrays(part, _as_float32(analysis.trace)))
    else:
        # The posterior's noise is the trace.
        trace.unlink(missing_ok=True)
        arrays = {"design": analysis.posterior.design}
        for group in _GROUPS:
            for name, values in _as_float32(getattr(analysis.posterior, group)).items():
                arrays[f"{group}/{name}"] = values
        _replace(target, lambda part: _write_arrays(part, arrays))
    text = json.dumps(analysis.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
    _replace(directory / ANALYSIS_FILE, lambda part: part.write_text(text, encoding="utf-8"))
    return directory


def load_analysis(directory: Path) -> Analysis:
    """Read an analysis that `save_analysis` wrote.

    Raises
    ------
    FileNotFoundError
        If one of its files is missing.
    """
    values = json.loads((directory / ANALYSIS_FILE).read_text(encoding="utf-8"))
    diagnostics = Diagnostics.from_dict(values["diagnostics"])
    posterior = None
    if diagnostics.converged:
        posterior = _read_posterior(directory / POSTERIOR_FILE)
    if posterior is None:
        with np.load(directory / TRACE_FILE) as stored:
            trace = {name: stored[name] for name in stored.files}
    else:
        trace = dict(posterior.noise)
    return Analysis(
        spec=AnalysisSpec.from_dict(values["spec"]),
        intervention_on=date.fromisoformat(values["intervention_on"]),
        fit_start_on=date.fromisoformat(values["fit_start_on"]),
        effects=None if values["effects"] is None else Effects.from_dict(values["effects"]),
        probability_of_benefit=values["probability_of_benefit"],
        n_pre=values["n_pre"],
        n_post=values["n_post"],
        warnings=tuple(AnalysisWarning.from_dict(w) for w in values["warnings"]),
        diagnostics=diagnostics,
        daily=pd.read_parquet(directory / DAILY_FILE),
        has_slope=values["has_slope"],
        model_version=values["model_version"],
        timing=values["timing"],
        trace=trace,
        posterior=posterior,
    )


def _read_posterior(path: Path) -> PosteriorDraws:
    groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in _GROUPS}
    with np.load(path) as stored:
        for key in stored.files:
            group, _, name = key.partition("/")
            if name:
                groups[group][name] = stored[key]
        return PosteriorDraws(design=stored["design"], **groups)


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
