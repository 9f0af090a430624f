"""Which experiments can have files of their own: of very many in shards, those asked for alone.

What belongs here: finding them. What does not: what is done with their files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from its_pipeline.events.keys import experiment_key, is_valid_id
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.sharding import has_shards
from its_pipeline.files.names import name_of_path

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def keys_with_files(settings: Settings) -> list[str]:
    """Return all experiments, sorted; in a store with shards, those that have a folder.

    Parameters
    ----------
    settings
        The installation.
    """
    if not has_shards(settings):
        return Snapshot(settings).experiment_keys()
    folders = (*settings.experiments_dir.glob("[!.]*/[!.]*"), *settings.reports_dir.glob("*/[!.]*"))
    names = {(name_of_path(each.parent), name_of_path(each)) for each in folders if each.is_dir()}
    return sorted(experiment_key(*name) for name in names if all(map(is_valid_id, name)))
