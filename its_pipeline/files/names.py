"""Paths made from names: the one place where a name that somebody gave becomes a folder or a file.

What belongs here: refusing names that lead elsewhere, and keeping apart those that a file system or
our own files would mix up. What does not: which identifiers are legal (`events.keys`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

#: Files of ours that lie where folders of people's names do.
OWN_NAMES: Final = frozenset({"index.html", "trust.html"})
#: No identifier holds it, so a name with it was made here.
ESCAPE: Final = "="
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")


def path_of_name(folder: Path, *names: str, suffix: str = "") -> Path:
    """Return the path of what has these names, one level a name, under a folder.

    A name is its own file name, but for two cases. One of `OWN_NAMES` gets a sign that no name has
    at its end. Where the file system takes ``Anna`` and ``anna`` for the same, capitals are written
    ``=a``, so that two people stay two.

    Parameters
    ----------
    folder
        Under which the path lies.
    *names
        Each letters, digits and ``_ . @ + -``, not beginning with any of ``. @ + -``.
    suffix
        Added to the last one as it is.

    Raises
    ------
    ValueError
        A name has other characters, is too long, or has two dots in a row.
    """
    path = folder
    for name in names:
        if not _NAME.fullmatch(name) or ".." in name:
            raise ValueError(
                f"name {name[:80]!r} cannot be that of a file: it must be at most 128 letters, "
                "digits or any of _ . @ + - and begin with a letter, a digit or _, without two "
                "dots in a row"
            )
        path /= _file_name(name, mixes_cases(folder))
    return path.with_name(path.name + suffix) if suffix else path


def name_of_path(path: Path) -> str:
    """Return the name that the last level of a path of `path_of_name` was made from."""
    name = re.sub(f"{ESCAPE}([a-z])", lambda found: found[1].upper(), path.name)
    return name.removesuffix(ESCAPE)


def file_names(folder: Path) -> Callable[[str], str]:
    """Return how legal names are written under a folder, for many of them.

    Parameters
    ----------
    folder
        As for `path_of_name`, which checks names as well.
    """
    mixed = mixes_cases(folder)
    return lambda name: _file_name(name, mixed)


def _file_name(name: str, mixed: bool) -> str:
    if mixed:
        name = re.sub("[A-Z]", lambda found: ESCAPE + found[0].lower(), name)
    return name + ESCAPE if name.lower() in OWN_NAMES else name


def mixes_cases(folder: Path) -> bool:
    """Tell whether the file system of a folder takes names that differ in case for the same."""
    there = folder
    while not there.is_dir():
        there = there.parent
    return _mixes_cases(there)


@lru_cache(maxsize=64)
def _mixes_cases(folder: Path) -> bool:
    if folder.name.swapcase() == folder.name:
        return folder != folder.parent and _mixes_cases(folder.parent)
    other = folder.with_name(folder.name.swapcase())
    return other.exists() and other.samefile(folder)
