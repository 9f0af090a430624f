"""How a shard's experiments stand by the results that are stored: which verdicts still hold.

What belongs here: holding stored rows against the input of now. What does not: that input
(`shard_plan`), or giving verdicts (`shard_work`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from its_pipeline.events.keys import experiment_key
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_input import ShardInput
from its_pipeline.experiments.shard_shared import SharedInput
from its_pipeline.stores.result_rows import STANDING

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


@dataclass(frozen=True)
class DonePeople:
    """Who of an input has been evaluated since it was written.

    Attributes
    ----------
    users
        Their identifiers.
    experiments_left
        How many the others in the input have.
    """

    users: frozenset[str]
    experiments_left: int


def done_people(settings: Settings, shard: Shard, content: ShardInput) -> DonePeople:
    """Return who of a shard's input has the verdicts that evaluating it gives."""
    standing = Standing(settings, shard)
    shared = SharedInput.of_json(content.shared)
    complete = lru_cache(lambda zone: shared.last_complete_day(zone).isoformat())
    users = set()
    left = 0
    names = ["user_id", "digest", "interventions"]
    for people in content.chunks(names):
        for user_id, digest, said in zip(*(people[n].to_pylist() for n in names), strict=True):
            rows = json.loads(said)
            keys = [experiment_key(user_id, row["intervention_id"]) for row in rows]
            if standing.holds((digest, keys, [complete(row["time_zone"]) for row in rows])):
                users.add(user_id)
            else:
                left += len(keys)
    return DonePeople(frozenset(users), left)


class Standing:
    """How a shard's experiments stand by the result sets.

    Parameters
    ----------
    settings, shard
        The installation, and which.
    """

    def __init__(self, settings: Settings, shard: Shard) -> None:
        self._sets = open_store(settings).sets
        self._shard = shard
        self._sets.are_whole(shard)
        columns = ["key", "fingerprint", "input_digest", "holds_on", "of_analysis"]
        table = self._sets.small_table(shard, columns)
        self._places = set()
        self._rows = {}
        for key, fingerprint, *said in zip(*(table[n].to_pylist() for n in columns), strict=True):
            self._places.add((key, fingerprint))
            if fingerprint == STANDING:
                self._rows[key] = said

    def holds(self, person: tuple[str, Sequence[str], Sequence[str]]) -> bool:
        """Tell whether a person's verdicts are what evaluating them now would give.

        Parameters
        ----------
        person
            The digest of their input, their experiments, and the last complete day of each.
        """
        digest, keys, complete_on = person
        for key, on in zip(keys, complete_on, strict=True):
            input_digest, holds_on, fingerprint = self._rows.get(key, (None, None, None))
            if input_digest != digest or holds_on not in ("", on):
                return False
            if fingerprint is not None and (key, fingerprint) not in self._places:
                return False
        return True

    def verdicts(self, of_people: Sequence[Sequence[str]]) -> list[str | None]:
        """Return people's known verdicts as JSON by key, without those whose analysis is lost."""
        if not self._rows:
            return [None] * len(of_people)
        table = self._sets.small_table(self._shard, ["verdict"])
        said = zip(
            *(table[name].to_pylist() for name in ("key", "fingerprint", "verdict")), strict=True
        )
        verdicts = {key: verdict for key, fingerprint, verdict in said if fingerprint == STANDING}
        found: list[str | None] = []
        for keys in of_people:
            own = [
                f"{json.dumps(key)}:{verdicts[key]}"
                for key in keys
                if key in verdicts and self._is_there(key, verdicts[key])
            ]
            found.append(f"{{{','.join(own)}}}" if own else None)
        return found

    def _is_there(self, key: str, verdict: str) -> bool:
        fingerprint = self._rows[key][2]
        if fingerprint is None:
            # Of a row that was gathered: it does not say which analysis it is made of.
            told = json.loads(verdict)
            fingerprint = None if told["diagnostics"] is None else told["fingerprint"]
        return fingerprint is None or (key, fingerprint) in self._places
