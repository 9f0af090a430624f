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

_FOLDER = Path(__file__).resolve().parents[1]
_SOURCES = ("**/*_kernel.py", "**/*_packing.py", "inference/compiled.py")
"""What goes into compiled code: the kernels, and the layouts of the buffers that they read."""

_LOCK = threading.Lock()
_loaded: dict[str, ModuleType] = {}


def load(name: str) -> ModuleType:
    """Return a kernel's module, compiled or read from the cache.

    Parameters
    ----------
    name
        Dotted name of a module ``*_kernel``.
    """
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


def sampling_kernel() -> ModuleType:
    """Return `inference.sampling_kernel`: what every density that is sampled shares."""
    return load("its_pipeline.its.inference.sampling_kernel")


def gaussian_kernel() -> ModuleType:
    """Return `inference.gaussian_kernel`: masses and moments of nodes."""
    return load("its_pipeline.its.inference.gaussian_kernel")


def mixture_kernel() -> ModuleType:
    """Return `inference.mixture_kernel`: probabilities and quantiles of mixtures."""
    return load("its_pipeline.its.inference.mixture_kernel")


def quantile_kernel() -> ModuleType:
    """Return `inference.quantile_kernel`."""
    return load("its_pipeline.its.inference.quantile_kernel")


def cache_directory() -> Path:
    """Return the directory of this version's compiled kernels; it may not exist yet."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _SOURCES for path in _FOLDER.glob(pattern)}):
        digest.update(path.read_bytes())
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
