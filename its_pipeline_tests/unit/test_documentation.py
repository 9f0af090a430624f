"""The pages lead where they say, and one list says what is checked ahead of a commit."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from urllib.parse import urlsplit

import pytest
import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin
from typer.main import get_command

from its_pipeline.cli.main import app
from its_pipeline_tests.pages import commands
from its_pipeline_tests.support import PROJECT_ROOT

PAGES = sorted(
    [
        *PROJECT_ROOT.glob("*.md"),
        *(PROJECT_ROOT / "docs").rglob("*.md"),
        PROJECT_ROOT / "benchmarks" / "README.md",
        PROJECT_ROOT / "data" / "README.md",
    ]
)


@cache
def _tokens(page):
    parser = MarkdownIt("commonmark").enable("table").use(anchors_plugin, max_level=6)
    tokens = parser.parse(page.read_text(encoding="utf-8"))
    return [part for token in tokens for part in (token, *(token.children or []))]


def _addresses(page):
    return [
        str(token.attrs.get("href") or token.attrs.get("src"))
        for token in _tokens(page)
        if token.type in {"link_open", "image"}
    ]


def _anchors(page):
    return {token.attrs.get("id") for token in _tokens(page) if token.type == "heading_open"}


def _leads_nowhere(page, address):
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return False
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists():
        return True
    return bool(parts.fragment) and parts.fragment not in _anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_no_link_of_ours_is_dead(page):
    assert [address for address in _addresses(page) if _leads_nowhere(page, address)] == []


def test_a_dead_link_is_seen(tmp_path):
    (tmp_path / "there.md").write_text("# A heading of two\n")
    page = tmp_path / "page.md"
    page.write_text("[a](there.md#a-heading-of-two) [b](there.md#no) ![c](no.png) [d](#no)\n")
    dead = [address for address in _addresses(page) if _leads_nowhere(page, address)]
    assert dead == ["there.md#no", "no.png", "#no"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_every_command_on_a_page_has_the_options_that_it_is_given(page):
    for words in commands(page.read_text(encoding="utf-8")):
        command, rest = get_command(app), list(words)
        while commands_of := getattr(command, "commands", None):
            command = commands_of[rest.pop(0)]
        # Parses arguments and options, and refuses what it does not know; runs nothing.
        command.make_context(command.name, rest)


def _parts_of_check():
    found = re.search(r"^check: (.+?) *##", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    return found[1].split()


def test_the_hooks_are_the_parts_of_make_check():
    settings = yaml.safe_load((PROJECT_ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in settings["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in settings["repos"]} == {"local"}
    assert [hook["entry"] for hook in hooks] == [f"make {part}" for part in _parts_of_check()]
    assert [hook["id"] for hook in hooks] == _parts_of_check()


def test_pre_commit_takes_the_hooks():
    checked = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
