"""Identifiers of users, interventions and experiments: their one legal form, built and parsed here.

Identifiers become partition keys, file names and tags, so what is legal is decided once. What an
experiment *is* (windows, plans) belongs to `its_pipeline.experiments`; this module knows strings
only and imports nothing heavy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}"
"""What one identifier must match in full; besides, it must not contain two dots in a row."""

SEPARATOR = "|"
"""Between the two parts of an experiment key; illegal inside either part."""

_ID = re.compile(ID_PATTERN)


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
