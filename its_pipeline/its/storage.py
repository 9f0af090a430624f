"""An analysis on disk: analysis.json, daily.parquet, and posterior.npz or trace.npz.

Writing and reading only. Effects travel as JSON float64 and come back bit for bit; draws travel
as float32. Each file is written beside its name and moved into place, so a reader never sees half
of one; which directory it is, and which one is newest, is the experiment store's business.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.its.results import PosteriorDraws

ANALYSIS_FILE = "analysis.json"
DAILY_FILE = "daily.parquet"
POSTERIOR_FILE = "posterior.npz"
TRACE_FILE = "trace.npz"

_GROUPS = ("coefficients", "estimands", "noise")


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
        Draws of the nuisance parameters, name to shape (chain, draw).
    posterior
        All draws; None where the analysis did not converge.
    """

    told: dict[str, Any]
    daily: pd.DataFrame
    trace: Mapping[str, np.ndarray]
    posterior: PosteriorDraws | None


def write_analysis(directory: Path, stored: Stored) -> Path:
    """Write an analysis into a directory, which is made if need be, and return the directory.

    An analysis that did not converge gets its trace for the diagnostics' sake and no posterior.
    analysis.json is written last: where it lies, the rest lies too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _replace(directory / DAILY_FILE, lambda part: _write_table(part, stored.daily))
    target, trace = directory / POSTERIOR_FILE, directory / TRACE_FILE
    if stored.posterior is None:
        target.unlink(missing_ok=True)
        _replace(trace, lambda part: _write_arrays(part, _as_float32(stored.trace)))
    else:
        # The posterior's noise is the trace.
        trace.unlink(missing_ok=True)
        arrays = {"design": stored.posterior.design}
        for group in _GROUPS:
            for name, values in _as_float32(getattr(stored.posterior, group)).items():
                arrays[f"{group}/{name}"] = values
        _replace(target, lambda part: _write_arrays(part, arrays))
    text = json.dumps(stored.told, indent=1, allow_nan=False, ensure_ascii=False)
    _replace(directory / ANALYSIS_FILE, lambda part: part.write_text(text, encoding="utf-8"))
    return directory


def read_analysis(directory: Path) -> Stored:
    """Read what `write_analysis` wrote.

    Raises
    ------
    FileNotFoundError
        If one of its files is missing.
    """
    told = json.loads((directory / ANALYSIS_FILE).read_text(encoding="utf-8"))
    daily = pd.read_parquet(directory / DAILY_FILE)
    if told["diagnostics"]["converged"]:
        posterior = _read_posterior(directory / POSTERIOR_FILE)
        return Stored(told, daily, dict(posterior.noise), posterior)
    with np.load(directory / TRACE_FILE) as arrays:
        return Stored(told, daily, {name: arrays[name] for name in arrays.files}, None)


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
