"""What code an answer came from: a commit of ours, or the version that is installed."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import version

import pytest

from its_pipeline.stores import provenance
from its_pipeline_tests.support import PROJECT_ROOT


@pytest.fixture(autouse=True)
def _asked_anew():
    provenance.code_version.cache_clear()
    yield
    provenance.code_version.cache_clear()


def test_a_checkout_names_its_commit():
    asked = subprocess.run(
        ["git", "-C", PROJECT_ROOT, "rev-parse", "HEAD"], capture_output=True, text=True
    )
    if asked.returncode:
        pytest.skip("not a git checkout")
    assert provenance.code_version() == asked.stdout.strip()
    assert re.fullmatch("[0-9a-f]{40}", provenance.code_version())


@pytest.mark.parametrize("checkout", ["installed", "unpacked"])
def test_without_a_commit_the_installed_version_is_named(tmp_path, monkeypatch, checkout):
    monkeypatch.setattr(
        provenance, "checkout_root", lambda: None if checkout == "installed" else tmp_path
    )
    assert provenance.code_version() == f"its-pipeline {version('its-pipeline')}"
