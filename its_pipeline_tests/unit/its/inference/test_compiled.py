"""Compiled kernels are kept on disk, found by another process, and never stale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from its_pipeline.its.inference import compiled

CODE = """
import time
from its_pipeline.its.inference import compiled
started = time.perf_counter()
kernel = compiled.load("its_pipeline.its.noise.ar1_white_density_kernel")
print(kernel.logp_callback.cache_hits, compiled.cache_directory())
"""


ORDER = """
import hashlib, sys
import numpy as np
from its_pipeline.its.inference import compiled
if sys.argv[1] == "another first":
    latent = compiled.load("its_pipeline.its.likelihoods.latent_kernel")
    filled = np.empty(3), np.empty((3, 3)), np.empty(2)
    latent._moments(np.eye(4) + 0.1, np.ones((2, 3)), np.zeros(2), *filled)
rng, k, n = np.random.default_rng(0), 7, 50
rows = rng.normal(size=(40, k + 1))
sums = np.zeros((1, k + 1, 8))
sums[0] = rows.T @ rows
means, covariances = np.empty((n, k)), np.empty((n, k, k))
compiled.gaussian_kernel().coefficient_moments(
    sums, np.zeros(n, int), rng.normal(size=n), np.exp(rng.normal(size=(n, k))), means, covariances
)
print(hashlib.sha256(means.tobytes() + covariances.tobytes()).hexdigest())
"""


def _run(folder):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=True
    )
    hits, _, where = done.stdout.strip().partition(" ")
    return int(hits), Path(where)


def test_a_second_process_compiles_nothing(tmp_path):
    assert _run(tmp_path)[0] == 0
    hits, where = _run(tmp_path)
    assert hits == 1
    assert where.is_relative_to(tmp_path)
    assert any(where.rglob("*.nbc"))


def test_a_change_in_any_source_changes_the_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    before = compiled.cache_directory()
    copy = tmp_path / "its"
    shutil.copytree(compiled._FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiled, "_FOLDER", copy)
    assert compiled.cache_directory() == before
    (copy / "noise" / "ar1_white_packing.py").write_text("HEADER = 12")
    assert compiled.cache_directory() != before


def test_what_a_kernel_says_does_not_depend_on_what_was_compiled_before_it(tmp_path):
    def said(order):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / order)}
        command = [sys.executable, "-c", ORDER, order]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, check=True
        ).stdout

    assert said("alone") == said("another first")
