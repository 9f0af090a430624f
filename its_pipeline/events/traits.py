"""Traits of people and of designs: what they may be called, and files that declare people's.

What belongs here: the rules of a trait's name and value, the traits that a design has by itself,
reading a file. What does not: where people's traits lie (`stores.person_traits`), or what effects
do with them (`its.pooling`, `experiments.kind_traits`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.events.keys import key_of_id

if TYPE_CHECKING:
    import pandas as pd

DESIGN_TRAITS: Final[Mapping[str, str]] = {
    "baseline_days": "observed days without the intervention ahead of it (or off)",
    "on_and_off": "whether it was on and off again",
    "by_lot": "whether a lot drew the days",
    "normal_likelihood": "whether days were analysed as normal",
}
"""Traits that are known of every analysis without anybody's saying, and what each one is."""

MOST_TRAITS: Final = 2
"""Of one regression: with more, one of them will look as if it mattered."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_COLUMNS: Final = ("user_id", "trait", "value")
_YES_OR_NO: Final = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def check_trait_name(name: str) -> str:
    """Return the name of a trait.

    Raises
    ------
    ValueError
        If a trait cannot be called so.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "the name of a trait must be a letter, then letters, digits or _ (at most 64 in all), "
            f"but got {name!r}"
        )
    return name


def check_own_trait(name: str) -> str:
    """Return the name of a trait that people may declare.

    Raises
    ------
    ValueError
        If a trait cannot be called so, or is one of `DESIGN_TRAITS`.
    """
    if check_trait_name(name) in DESIGN_TRAITS:
        raise ValueError(
            f"{name!r} is {DESIGN_TRAITS[name]}, which every analysis says by itself; give the "
            "trait another name"
        )
    return name


def trait_value(text: str) -> float:
    """Return the number that a text means: a number, or yes and no (true and false) as 1 and 0.

    Raises
    ------
    ValueError
        If it is neither, or not finite.
    """
    told = text.strip()
    found = _YES_OR_NO.get(told.casefold())
    if found is None:
        try:
            found = float(told)
        except ValueError:
            found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"a trait's value must be a number, or yes or no, but got {text!r}")
    return found


def read_trait_file(path: Path) -> pd.DataFrame:
    """Return the traits of people in a file: columns user_id, trait, value (float).

    Parameters
    ----------
    path
        CSV (UTF-8) or Parquet with these three columns; others are passed over.

    Raises
    ------
    ValueError
        If a column is missing, a row breaks a rule, or a person has a trait twice; naming the row.
    """
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(
            f"{path}: traits need the columns {', '.join(_COLUMNS)} but {', '.join(missing)} "
            f"are not among {list(table.columns)}"
        )
    rows = []
    for number, (user, name, value) in enumerate(
        table[list(_COLUMNS)].itertuples(index=False, name=None), start=1
    ):
        try:
            own = check_own_trait(str(name).strip())
            rows.append((key_of_id("user_id", str(user)), own, trait_value(str(value))))
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {error}; nothing of it is taken") from error
    found = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"value": float})
    twice = found[found.duplicated(["user_id", "trait"])]
    if len(twice):
        user, name, _ = twice.iloc[0]
        raise ValueError(
            f"{path}: {user!r} has trait {name!r} twice; keep one of them, nothing of it is taken"
        )
    return found
