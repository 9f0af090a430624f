"""What of leaving is known without doing any of it: what it came to, and where it is put together.

What belongs here: what a server needs that lets a worker do it. What does not: anything heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from its_pipeline.files.names import path_of_name
from its_pipeline.settings import Settings

_DOWNLOADS: Final = ".downloads"


@dataclass(frozen=True)
class Departure:
    """What forgetting a person came to.

    Attributes
    ----------
    user_id
        The person.
    finished
        Whether nothing of theirs is left that this store knows how to delete.
    deleted
        How much was deleted this time, by what it was.
    left
        What somebody has to see to, in words.
    """

    user_id: str
    finished: bool
    deleted: Mapping[str, int] = field(default_factory=dict)
    left: tuple[str, ...] = ()


def downloads_dir(settings: Settings, user_id: str) -> Path:
    """Return the folder in which a person's downloads are put together, whether it is there."""
    return path_of_name(settings.store_root / _DOWNLOADS, user_id)
