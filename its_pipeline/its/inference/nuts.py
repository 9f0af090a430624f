"""NUTS through nutpie's low-level interface: a compiled density and a buffer in, chains out.

Nothing is compiled per problem: the callbacks come from Numba's disk cache and read one packed
buffer. The Arrow batches are taken as they are; no InferenceData is built. What the density means
is a noise model's business; the verdict on the chains is `diagnostics`'.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nutpie_library import nutpie_library

T = TypeVar("T")

MAX_TREE_DEPTH = 10
"""Deepest tree; nutpie's and Stan's default."""
_RUN_STREAM = 5


@dataclass(frozen=True)
class SamplerSettings:
    """How to run the chains.

    Parameters
    ----------
    draws, tune, chains
        Kept draws per chain, warm-up draws per chain, chains.
    seed
        Seed of all chains.
    target_accept
        Acceptance rate the step size is adapted to.
    """

    draws: int
    tune: int
    chains: int
    seed: int
    target_accept: float = 0.8


@dataclass(frozen=True)
class Chains:
    """What the sampler returned, warm-up left out.

    Parameters
    ----------
    position
        Unconstrained draws, shape (chain, draw, dimension).
    energy
        Hamiltonian energy, shape (chain, draw).
    diverging
        Divergent transitions, shape (chain, draw).
    depth
        Tree depth, shape (chain, draw).
    n_steps
        Leapfrog steps of each draw, shape (chain, draw).
    """

    position: np.ndarray
    energy: np.ndarray
    diverging: np.ndarray
    depth: np.ndarray
    n_steps: np.ndarray


@dataclass(frozen=True)
class Density:
    """A compiled log-density and where to start on it.

    Parameters
    ----------
    logp_address
        Address of the C callback, of `sampling_kernel.LOGP_SIGNATURE`.
    buffer
        The packed problem it reads, float64; kept alive while sampling.
    start
        Centre of the starting points, shape (dimension,).
    jitter
        Chains start uniformly within `start` +- `jitter`.
    """

    logp_address: int
    buffer: np.ndarray
    start: np.ndarray
    jitter: float


def seed_of_run(seed: int, run: int) -> int:
    """Return the seed of one of several runs, from 0: a run again begins and goes elsewhere."""
    if run == 0:
        return seed
    return int(np.random.SeedSequence([seed, _RUN_STREAM, run]).generate_state(1, np.uint64)[0])


def beside(runs: Sequence[Chains]) -> Chains:
    """Return the chains of several runs of the same length as those of one."""
    return Chains(
        *(np.concatenate([getattr(each, part.name) for each in runs]) for part in fields(Chains))
    )


def sample(density: Density, settings: SamplerSettings, cores: int | None = None) -> Chains:
    """Run NUTS on a compiled density.

    Parameters
    ----------
    density
        What is sampled.
    settings
        Chains, draws, seed.
    cores
        Chains that run at once; the draws do not depend on it. Default: what this process may use.

    Returns
    -------
    Chains
        Draws and sampler statistics after warm-up.

    Raises
    ------
    RuntimeError
        If the density cannot be evaluated at any starting point.
    """
    library = nutpie_library()
    dimension = len(density.start)
    owner = (density.buffer,)
    address = density.buffer.ctypes.data
    expand_address = compiled.sampling_kernel().expand_callback.address
    logp = library.LogpFunc(density.logp_address, address, owner)
    expand = library.ExpandFunc(dimension, dimension, expand_address, address, owner)
    names = _names(dimension)
    variables = library.PyVariable.new_variables(
        names, ["float64"] * dimension, [[]] * dimension, {}, {}
    )
    model = library.PyMcModel(
        logp,
        expand,
        variables,
        dimension,
        {},
        {},
        _starting_points(density.start, density.jitter),
        None,
    )
    options = library.PyNutsSettings.Diag(settings.seed)
    options.num_tune = settings.tune
    options.num_draws = settings.draws
    options.num_chains = settings.chains
    options.target_accept = settings.target_accept
    options.maxdepth = MAX_TREE_DEPTH
    sampler = library.PySampler.from_pymc(
        options,
        min(settings.chains, cores or available_cores()),
        model,
        library.ProgressType.none(),
        library.PyStorage.arrow(),
    )
    try:
        sampler.wait(None)
    except BaseException:
        if not sampler.is_empty(ignore_error=True):
            sampler.abort()
        raise
    draws, statistics = sampler.take_results().get_arrow_trace()
    return _chains(draws, statistics, dimension, settings)


_cores_to_use: int | None = None


def use_cores(cores: int | None) -> None:
    """Let analyses of this process use so many CPUs; None: all it may use.

    For a process that shares the machine with others of its kind. The numbers do not depend on it.
    """
    global _cores_to_use  # of the process, as the CPUs are
    if cores is not None and cores < 1:
        raise ValueError(f"cores should be at least 1 but got {cores}")
    _cores_to_use = cores


def available_cores() -> int:
    """Return how many CPUs this process may use."""
    if _cores_to_use is not None:
        return _cores_to_use
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _starting_points(start: np.ndarray, jitter: float) -> Callable[[Any], np.ndarray]:
    def starting_point(seed: Any) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return start + jitter * rng.uniform(-1.0, 1.0, size=len(start))

    return starting_point


def _chains(draws: Any, statistics: Any, dimension: int, settings: SamplerSettings) -> Chains:
    shape = (settings.chains, settings.draws)
    position = np.full((*shape, dimension), math.nan)
    energy = np.full(shape, math.nan)
    diverging = np.zeros(shape, dtype=bool)
    depth = np.zeros(shape, dtype=np.int64)
    n_steps = np.zeros(shape, dtype=np.int64)
    for chain, (batch, stats) in enumerate(zip(draws, statistics, strict=True)):
        kept = slice(batch.num_rows - settings.draws, None)
        for index, name in enumerate(_names(dimension)):
            position[chain, :, index] = _column(batch, name)[kept]
        energy[chain] = _column(stats, "energy")[kept]
        diverging[chain] = _column(stats, "diverging")[kept]
        depth[chain] = _column(stats, "depth")[kept]
        n_steps[chain] = _column(stats, "n_steps")[kept]
    return Chains(position, energy, diverging, depth, n_steps)


def _column(batch: Any, name: str) -> np.ndarray:
    import pyarrow as pa

    return pa.array(batch.column(name)).to_numpy(zero_copy_only=False)


def _names(dimension: int) -> list[str]:
    return [f"x{index}" for index in range(dimension)]


def together(tasks: Sequence[Callable[[], T]], cores: int | None = None) -> list[T]:
    """Run independent tasks that mostly wait for compiled code, in threads; return their results.

    Parameters
    ----------
    tasks
        They release the interpreter's lock while they compute.
    cores
        Threads; default: the CPUs this process may use.
    """
    workers = min(cores or available_cores(), len(tasks))
    if workers < 2:
        return [task() for task in tasks]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda task: task(), tasks))
