"""`make audit`: what is known is listed, and nobody takes "not asked" for "nothing found"."""

from __future__ import annotations

from pathlib import Path

import pytest

from its_pipeline_tests.support import PROJECT_ROOT
from tools import audit

FOUND = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": []}


def test_what_is_known_is_listed_and_fails() -> None:
    status, lines = audit.told(
        {"dependencies": [{"name": "a", "version": "1.0", "vulns": [FOUND]}, {"name": "b",
         "version": "1.0", "vulns": []}]}
    )  # fmt: skip
    assert status == audit.VULNERABLE
    assert lines == ["a 1.0: PYSEC-2026-1 (mended in 2.0)", "2 packages looked at"]


def test_what_could_not_be_asked_is_not_called_clean() -> None:
    known = {"name": "a", "version": "1", "vulns": []}
    status, lines = audit.told({"dependencies": [known, {"name": "c", "skip_reason": "?"}]})
    assert status == audit.NOT_ASKED
    assert lines[0].endswith("does not know them: 1: c")
    assert lines[-1] == "1 packages looked at"


def test_nothing_known_of_all_is_clean() -> None:
    answer = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
    assert audit.told(answer) == (audit.CLEAN, ["1 packages looked at"])


def test_where_nobody_can_be_asked_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: network is unreachable' >&2\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setattr(audit.sys, "executable", str(tmp_path / "python"))
    assert audit.main() == audit.NOT_ASKED
    assert "NOT AUDITED" in capsys.readouterr().out


def test_every_lock_is_audited_whole() -> None:
    words = audit.command("uv")
    assert {str(PROJECT_ROOT / name) for name in audit.LOCKS} <= set(words)
    assert {"--require-hashes", "--disable-pip"} <= set(words)
