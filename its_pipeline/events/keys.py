"""Identifiers of users, interventions and experiments: their one legal form, built and parsed here.

Identifiers become partition keys, file names and tags, so what is legal is decided once. What an
experiment *is* (windows, plans) belongs to `its_pipeline.experiments`; this module knows strings
only and imports nothing heavy.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}"
"""What one identifier must match in full; besides, it must not contain two dots in a row."""

SEPARATOR = "|"
"""Between the two parts of an experiment key; illegal inside either part."""

MAXIMUM_ID = 64
"""Most signs of an identifier, as `ID_PATTERN` has it."""

ESCAPE = "+-"
"""Begins, inside an identifier, what stands for signs that are not legal (`key_of_id`)."""

_ID = re.compile(ID_PATTERN)
_EMPTY_START = f"0{ESCAPE}-"
_FOREIGN = re.compile(r"(?:[^A-Za-z0-9_.@-]|(?<=\.)\.)+")
_ESCAPED = re.compile(r"\+-([0-9a-z]+(?:_[0-9a-z]+)*)-")


@dataclass(frozen=True, order=True)
class ExperimentKey:
    """The two identifiers that name an experiment.

    Attributes
    ----------
    user_id, intervention_id
        Both legal in the sense of `validate_id`.
    """

    user_id: str
    intervention_id: str

    def __str__(self) -> str:
        return f"{self.user_id}{SEPARATOR}{self.intervention_id}"


def is_valid_id(value: object) -> bool:
    """Tell whether `value` is a legal identifier; never raises."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None and ".." not in value


def validate_id(kind: str, value: object) -> str:
    """Return `value` if it is a legal identifier.

    Parameters
    ----------
    kind
        What the identifier names, for the message: `"user_id"`, `"intervention_id"`.
    value
        The candidate.

    Raises
    ------
    ValueError
        If it is not text, does not match `ID_PATTERN` in full, or contains `..`.
    """
    if isinstance(value, str) and is_valid_id(value):
        return value
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    raise ValueError(
        f"{kind} {shown} is not a legal identifier: it must start with a letter or digit, go on "
        "with at most 63 letters, digits or any of _ . @ + -, and must not contain two dots in a "
        "row (identifiers become file names); rename it in the source"
    )


def experiment_key(user_id: str, intervention_id: str) -> str:
    """Build the partition key `user_id|intervention_id` of an experiment.

    Raises
    ------
    ValueError
        If either part is not a legal identifier.
    """
    return str(
        ExperimentKey(
            validate_id("user_id", user_id), validate_id("intervention_id", intervention_id)
        )
    )


def parse_experiment_key(key: str) -> ExperimentKey:
    """Split a partition key into its two identifiers.

    Raises
    ------
    ValueError
        If the key has not exactly two parts or one of them is not a legal identifier.
    """
    parts = key.split(SEPARATOR)
    if len(parts) != 2:
        raise ValueError(
            f"experiment key {key!r} must have two parts joined by {SEPARATOR!r} "
            f"(user_id{SEPARATOR}intervention_id) but has {len(parts)}"
        )
    return ExperimentKey(validate_id("user_id", parts[0]), validate_id("intervention_id", parts[1]))


def key_of_id(kind: str, text: str) -> str:
    """Return the legal identifier that stands for any id a person or an app uses.

    A legal id stands for itself. Of any other one each run of signs that are not legal becomes
    ``+-``, the signs' numbers in Unicode to base 36 joined by ``_``, and ``-``: `Anna Müller` is
    ``Anna+-w-M+-70-ller``. Different ids have different keys (the few legal ids with ``+-`` in
    them are written that way too), and `shown_id` turns the key back.

    Parameters
    ----------
    kind
        What the id names, for the message.
    text
        The id; white space around it does not count, and letters with accents are the same
        however they are composed (Unicode's NFC).

    Raises
    ------
    ValueError
        If it is empty, holds signs that cannot be seen, or its key has more than 64 signs.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if is_valid_id(text) and ESCAPE not in text:
        return text
    if not text or not text.isprintable():
        raise ValueError(
            f"{kind} {text[:60]!r} should be a name with no sign that cannot be seen; give another"
        )
    key = _FOREIGN.sub(lambda run: _escaped(run[0]), text)
    if not key[0].isascii() or not key[0].isalnum():
        key = f"{_EMPTY_START}{key}"
    if not is_valid_id(key):
        raise ValueError(
            f"{kind} {text[:60]!r} is too long: written with letters, digits and _ . @ + - it has "
            f"{len(key)} signs, more than {MAXIMUM_ID}; use a shorter name"
        )
    return key


def beginning_of_key(text: str) -> str:
    """Return what identifiers begin with that people know by this beginning.

    Parameters
    ----------
    text
        The beginning of a person's id or an intervention's, or a whole person's id, the separator
        and the beginning of an intervention's id.

    Raises
    ------
    ValueError
        Nobody's id can begin so.
    """
    user_id, separator, intervention_id = text.strip().partition(SEPARATOR)
    if intervention_id:
        validate_id("intervention_id", intervention_id)
    if not is_valid_id(user_id):
        user_id = key_of_id("user_id", user_id)
    return f"{user_id}{separator}{intervention_id}"


def shown_id(key: str) -> str:
    """Return the id that a key of `key_of_id` stands for, as people know it."""
    if ESCAPE not in key:
        return key
    return _ESCAPED.sub(
        lambda run: "".join(chr(int(sign, 36)) for sign in run[1].split("_")),
        key.removeprefix(_EMPTY_START),
    )


def shown_experiment(key: object) -> str:
    """Return an experiment's key with the person's id as people know it."""
    user_id, separator, intervention_id = str(key).partition(SEPARATOR)
    return f"{shown_id(user_id)}{separator}{intervention_id}"


def key_of_experiment(text: str) -> str:
    """Return the key of an experiment whose person may be named as people know them.

    Raises
    ------
    ValueError
        If the person's id can have no key.
    """
    user_id, separator, intervention_id = text.rpartition(SEPARATOR)
    return f"{key_of_id('user_id', user_id)}{SEPARATOR}{intervention_id}" if separator else text


def _escaped(run: str) -> str:
    return f"{ESCAPE}{'_'.join(_base36(ord(sign)) for sign in run)}-"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits
