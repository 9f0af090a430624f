"""The guides, followed word by word: what they run works, and says what they say it says."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline_tests.pages import arguments, blocks
from its_pipeline_tests.support import PROJECT_ROOT

#: Commands that take a minute, or do not end: other tests run them, on smaller stores.
ELSEWHERE = {"run", "history", "serve", "daemon", "webserver"}


@pytest.fixture
def _as_a_reader(monkeypatch, tmp_path):
    """Stand in a folder with the guides' examples, with a store of one's own."""
    (tmp_path / "docs").symlink_to(PROJECT_ROOT / "docs")
    (tmp_path / "mood.csv").symlink_to(PROJECT_ROOT / "docs" / "examples" / "mood.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")


def _run(words):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


def _run_shell(text):
    """Run the commands of a block and return what they say; None where one runs elsewhere."""
    called = [words for line in text.splitlines() if (words := arguments(line))]
    said = [_run(words) for words in called if words[0] not in ELSEWHERE]
    return "".join(said) if len(said) == len(called) else None


def _run_python(text, names):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(text, "guide", "exec"), names)
    return said.getvalue()


def _lines(text):
    """Return lines without digits, rules and runs of spaces: other machines draw other numbers."""
    masked = (re.sub(r"[-−]?\d[\d.,]*", "#", line.replace("─", "")) for line in text.splitlines())
    return [" ".join(line.split()) for line in masked if line.split()]


def _follow(page):
    names, said = {}, None
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "sh":
            said = _run_shell(block.text)
        elif block.language == "python":
            said = _run_python(block.text, names)
        elif block.language == "text" and said is not None:
            told = _lines(said)
            assert [line for line in _lines(block.text) if line not in told] == [], said
    return names


@pytest.mark.usefixtures("_as_a_reader")
@pytest.mark.parametrize(
    "guide",
    [
        "first-answer",
        "own-data",
        "exports",
        "which-design",
        "comparison-series",
        "kinds-of-outcomes",
        "how-long",
        "people-like-you",
        "unattended",
    ],
)
def test_a_guide_says_what_happens(guide):
    _follow(PROJECT_ROOT / "docs" / "guides" / f"{guide}.md")


@pytest.mark.usefixtures("_as_a_reader")
def test_the_readme_shows_python_that_runs():
    names = _follow(PROJECT_ROOT / "README.md")
    assert names["analysis"].converged


def _rows(text):
    """Return the rows of a page's tables as their cells, headings and rules included."""
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace(" %", "%") for cell in row] for row in rows]


def test_the_guide_to_designs_has_the_benchmarks_numbers():
    measured = {
        tuple(row[:3]): row[3:]
        for row in _rows((PROJECT_ROOT / "benchmarks" / "tables" / "designs.md").read_text())
    }
    designs = list(dict.fromkeys(key[2] for key in measured if key[0] in ("steady", "drifting")))
    page = (PROJECT_ROOT / "docs" / "guides" / "which-design.md").read_text()
    told = [row for row in _rows(page) if row[0] in designs]
    expected = [
        [design, *("; ".join(measured[kind, days, design][:2])
                   for kind in ("steady", "drifting") for days in ("60", "90"))]
        for design in designs
    ]  # fmt: skip
    expected += [[design, *measured["drifting", "60", design][2:]] for design in designs]
    assert len(designs) == 7
    assert told == expected
