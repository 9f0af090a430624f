"""Declared traits of people: age, who exercises, whatever their effects may depend on.

What belongs here: one table over everybody, ``person_traits.parquet`` (user_id, trait, value), put
in place whole. What does not: what traits may be called (`events.traits`), or the regression on
them (`experiments.kind_traits`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.files.atomic import exclusive
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS: Final = {"user_id": "str", "trait": "str", "value": "float64"}


@dataclass(frozen=True)
class KnownTrait:
    """What is known of a trait over everybody.

    Attributes
    ----------
    name
        By which metrics ask for it (`pooled_by`).
    n_people
        Who have it.
    lowest, highest
        Least and largest value.
    """

    name: str
    n_people: int
    lowest: float
    highest: float


class UnknownTraitError(LookupError):
    """Nobody, or not that person, has a trait of that name."""


def all_traits(settings: Settings) -> pd.DataFrame:
    """Return everybody's traits: columns user_id, trait, value; sorted by both.

    Parameters
    ----------
    settings
        The installation.
    """
    import pandas as pd

    found = read_or_set_aside(_path(settings), _read, settings.store_root)
    if found is None:
        return pd.DataFrame({name: [] for name in _COLUMNS}).astype(_COLUMNS)
    return found


def traits_of(settings: Settings, names: Iterable[str]) -> dict[str, dict[str, float]]:
    """Return traits by name, each by ``user_id``; a trait of nobody is empty.

    Parameters
    ----------
    settings
        The installation.
    names
        Which traits.
    """
    wanted = list(names)
    if not wanted:
        return {}
    table = all_traits(settings)
    found = {}
    for name in wanted:
        rows = table[table["trait"] == name]
        found[name] = dict(zip(rows["user_id"].tolist(), rows["value"].tolist(), strict=True))
    return found


def known_traits(settings: Settings) -> list[KnownTrait]:
    """Return which traits there are, by name.

    Parameters
    ----------
    settings
        The installation.
    """
    return [
        KnownTrait(str(name), len(values), float(values.min()), float(values.max()))
        for name, values in all_traits(settings).groupby("trait")["value"]
    ]


def set_traits(settings: Settings, rows: pd.DataFrame) -> int:
    """Set traits of people; a trait that a person has is replaced. Return how many rows were taken.

    Rows of people who were forgotten are left out.

    Parameters
    ----------
    settings
        The installation.
    rows
        Columns user_id, trait, value, as `events.traits.read_trait_file` gives them.
    """
    import pandas as pd

    with exclusive(_lock(settings)):
        # Whoever deletes a person marks them first and takes this lock after that.
        forgotten = Forgotten(settings.store_root)
        taken = rows[[user not in forgotten for user in rows["user_id"]]]
        both = pd.concat([all_traits(settings), taken[list(_COLUMNS)]], ignore_index=True)
        _write(settings, both.drop_duplicates(["user_id", "trait"], keep="last"))
    return len(taken)


def remove_trait(settings: Settings, name: str, user_id: str | None = None) -> int:
    """Take a trait away, from everybody or from one person; return from how many.

    Parameters
    ----------
    settings, name
        The installation, and the trait.
    user_id
        One person.

    Raises
    ------
    UnknownTraitError
        There is nothing to take away.
    """
    with exclusive(_lock(settings)):
        table = all_traits(settings)
        gone = table["trait"] == name
        if user_id is not None:
            gone &= table["user_id"] == user_id
        if not gone.any():
            known = ", ".join(sorted(set(table["trait"]))) or "none"
            whose = "nobody has" if user_id is None else f"{user_id!r} does not have"
            raise UnknownTraitError(f"{whose} a trait {name!r}; there are: {known}")
        _write(settings, table[~gone])
    return int(gone.sum())


def delete_traits(settings: Settings, user_id: str) -> int:
    """Delete a person's traits; return how many they had.

    Parameters
    ----------
    settings, user_id
        The installation, and the person.
    """
    with exclusive(_lock(settings)):
        table = all_traits(settings)
        kept = table[table["user_id"] != user_id]
        if len(kept) < len(table):
            _write(settings, kept)
    return len(table) - len(kept)


def _path(settings: Settings) -> Path:
    return settings.person_traits_path


def _lock(settings: Settings) -> Path:
    return _path(settings).with_name(".person_traits.lock")


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_parquet(path)
    if list(table.columns) != list(_COLUMNS):
        raise ValueError(f"columns should be {list(_COLUMNS)} but are {list(table.columns)}")
    return table.astype(_COLUMNS)


def _write(settings: Settings, table: pd.DataFrame) -> None:
    from its_pipeline.files.parquet import unfinished_file

    if table.empty:
        _path(settings).unlink(missing_ok=True)
        return
    with unfinished_file(_path(settings)) as unfinished:
        table.sort_values(["user_id", "trait"]).to_parquet(unfinished, index=False)
