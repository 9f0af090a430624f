"""Loads the compiled kernels, from a cache on disk that belongs to exactly their sources.

Numba's own cache asks only whether the file of a function has changed, not whether a constant or a
function it took from another file has. So the cache lies in a directory named after a hash of all
sources that go into the kernels; a stale one is never read. It is beside the package where that is
writable, else in the user's cache directory; NUMBA_CACHE_DIR overrules both. Nothing is computed
here.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import tempfile
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

_SOURCES = (
    "noise/ar1_kernel.py",
    "noise/ar1_packing.py",
    "likelihoods/student_t_kernel.py",
    "inference/quantile_kernel.py",
    "inference/compiled.py",
)
_FOLDER = Path(__file__).resolve().parents[1]
_LOCK = threading.Lock()
_loaded: dict[str, ModuleType] = {}


def kernel() -> ModuleType:
    """Return `its_pipeline.its.noise.ar1_kernel`, compiled or read from the cache."""
    return _load("its_pipeline.its.noise.ar1_kernel")


def student_kernel() -> ModuleType:
    """Return `its_pipeline.its.likelihoods.student_t_kernel`, compiled or read from the cache."""
    kernel()
    return _load("its_pipeline.its.likelihoods.student_t_kernel")


def quantile_kernel() -> ModuleType:
    """Return `its_pipeline.its.inference.quantile_kernel`, compiled or read from the cache."""
    kernel()
    return _load("its_pipeline.its.inference.quantile_kernel")


def cache_directory() -> Path:
    """Return the directory of this version's compiled kernels; it may not exist yet."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((_FOLDER / name).read_bytes())
    configured = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(configured) if configured else _writable()) / f"kernels-{digest.hexdigest()[:16]}"


def _writable() -> Path:
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for candidate in (_FOLDER / "__pycache__", Path(user_cache) / "its_pipeline"):
        try:
            candidate.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(candidate, os.W_OK):
            return candidate
    return Path(tempfile.gettempdir()) / f"its_pipeline-{os.getuid()}"


def _load(name: str) -> ModuleType:
    # Naming the cache reads all sources, and an analysis asks for its kernels a dozen times.
    if name in _loaded:
        return _loaded[name]
    with _LOCK:
        config: Any = importlib.import_module("numba").config
        before = config.CACHE_DIR
        config.CACHE_DIR = str(cache_directory())
        try:
            _loaded[name] = importlib.import_module(name)
            return _loaded[name]
        finally:
            config.CACHE_DIR = before
