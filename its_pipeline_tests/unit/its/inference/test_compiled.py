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
