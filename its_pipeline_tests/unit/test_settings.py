"""Where things lie: in the checkout, or where this system keeps a user's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from its_pipeline import settings as module
from its_pipeline.settings import Settings, checkout_root
from its_pipeline_tests.support import PROJECT_ROOT


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Let the settings believe that they lie in a site-packages folder."""
    site_packages = tmp_path / "site-packages"
    site_packages.mkdir()
    monkeypatch.setattr(module, "__file__", str(site_packages / "its_pipeline" / "settings.py"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return site_packages


def test_a_checkout_keeps_its_store_under_data():
    assert checkout_root() == PROJECT_ROOT
    assert Settings().store_root == PROJECT_ROOT / "data"


@pytest.mark.parametrize("stray", [None, '[project]\nname = "somebody-elses"\n'])
def test_an_installation_keeps_its_store_in_the_users_data_folder(installed, tmp_path, stray):
    if stray:
        (installed / "pyproject.toml").write_text(stray)
    assert checkout_root() is None
    assert Settings().store_root == tmp_path / "share" / "its_pipeline"


def test_the_environment_goes_before_the_default(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path / "mine"))
    assert Settings().store_root == Path(tmp_path / "mine")
