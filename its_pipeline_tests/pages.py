"""Reading what Markdown pages show: blocks of code, and the project's commands in them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from markdown_it import MarkdownIt

_SHELLS = {"", "sh"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    language
        What stands behind the fence; may be empty.
    text
        Its lines.
    """

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return a page's fenced blocks, in order."""
    tokens = MarkdownIt("commonmark").parse(page)
    return [Block(token.info.strip(), token.content) for token in tokens if token.type == "fence"]


def commands(page: str) -> list[list[str]]:
    """Return the arguments of every ``its-pipeline`` in a page's shell blocks."""
    found = []
    for block in blocks(page):
        if block.language in _SHELLS:
            found += [words for line in block.text.splitlines() if (words := arguments(line))]
    return found


def arguments(line: str) -> list[str]:
    """Return the arguments of a line that calls ``its-pipeline``; none for any other line."""
    call = line.strip().removeprefix(".venv/bin/")
    return shlex.split(call, comments=True)[1:] if call.startswith("its-pipeline ") else []
