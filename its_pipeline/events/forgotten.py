"""Who was forgotten: people whose data were deleted and are not taken again.

What belongs here: the list, in which a person stands by a salted hash alone, and the mark of a
deletion that is under way. What does not: deleting (`leaving`), or what is said to whoever asks.

``<store root>/forgotten/people.json`` holds the salt, the hashes, and by their identifiers those
whose deletion has begun and not ended. HMAC-SHA256 with the store's own salt: nobody can read a
person off it, but whoever has the file can try whether an identifier that they know is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.keys import validate_id
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_json

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER: Final = "forgotten"


class ForgottenPersonError(ValueError):
    """Something is asked for, or told of, a person who was forgotten."""


@dataclass(frozen=True)
class _Content:
    """What the file says."""

    salt: str = ""
    people: dict[str, str] = field(default_factory=dict)
    under_way: dict[str, str] = field(default_factory=dict)


class Forgotten:
    """The list of one store; what another process writes into it is seen at once.

    Parameters
    ----------
    store_root
        Root of the store.
    """

    def __init__(self, store_root: Path) -> None:
        self._path = store_root / FOLDER / "people.json"
        self._seen: tuple[int, int, int] | None = None
        self._content = _Content()

    def __contains__(self, user_id: str) -> bool:
        """Tell whether a person was forgotten, or is being so."""
        content = self._read()
        return bool(content.people) and _hash(content.salt, user_id) in content.people

    def among(self, users: Iterable[str]) -> set[str]:
        """Return who of many people was forgotten, or is being so; the list is read once."""
        content = self._read()
        if not content.people:
            return set()
        return {user for user in set(users) if _hash(content.salt, user) in content.people}

    def refuse(self, user_id: str) -> None:
        """Refuse a forgotten person.

        Raises
        ------
        ForgottenPersonError
            Names the remedy.
        """
        if user_id in self:
            raise ForgottenPersonError(
                f"the data of {user_id!r} were deleted on request, and nothing of them is taken or "
                "shown; `its-pipeline forget --lift USER` takes them in again"
            )

    def without(self, batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
        """Return rows without those whose ``user_id`` is a forgotten person's."""
        if batch.num_rows == 0 or not self._read().people:
            return batch
        # Not needed by those who only ask, Dagster's definitions among them.
        import pyarrow as pa

        from its_pipeline.events.schema import pc

        users = pc.utf8_trim_whitespace(batch.column("user_id").cast(pa.string()))
        gone = [user for user in pc.unique(users).to_pylist() if user and user in self]
        if not gone:
            return batch
        # A row without a user is nobody's: it is kept, and the contract rejects it.
        return batch.filter(pc.invert(pc.is_in(users, value_set=pa.array(gone, pa.string()))))

    def under_way(self) -> dict[str, datetime]:
        """Return whose deletion has begun and not ended, with the UTC instant at which it began."""
        return {
            user: datetime.fromisoformat(at) for user, at in sorted(self._read().under_way.items())
        }

    def begin(self, user_id: str) -> bool:
        """Mark a person as forgotten and their deletion as under way; tell whether they were new.

        Raises
        ------
        ValueError
            The identifier is not a legal one.
        """
        validate_id("user_id", user_id)
        now = datetime.now(UTC).isoformat(timespec="microseconds")

        def changed(content: _Content) -> _Content:
            salt = content.salt or secrets.token_hex(32)
            return _Content(
                salt,
                {_hash(salt, user_id): now, **content.people},
                {user_id: now, **content.under_way},
            )

        is_new = user_id not in self
        self._change(changed)
        return is_new

    def finish(self, user_id: str) -> None:
        """Note that nothing is left of a person: from now on their hash alone is kept."""
        self._change(
            lambda content: _Content(
                content.salt,
                content.people,
                {user: at for user, at in content.under_way.items() if user != user_id},
            )
        )

    def lift(self, user_id: str) -> bool:
        """Take a person off the list: their data are taken again; tell whether they were on it.

        Raises
        ------
        ValueError
            Their deletion has not ended.
        """
        if user_id in self.under_way():
            raise ValueError(
                f"the deletion of {user_id!r} has not ended: `its-pipeline forget {user_id}` goes "
                "on with it; lift it after that"
            )
        was_on_it = user_id in self
        self._change(
            lambda content: _Content(
                content.salt,
                {
                    each: at
                    for each, at in content.people.items()
                    if each != _hash(content.salt, user_id)
                },
                content.under_way,
            )
        )
        return was_on_it

    def _change(self, changed: Callable[[_Content], _Content]) -> None:
        with exclusive(self._path.with_name(".lock")):
            # What a killed process left names whom it was about to mark.
            remove_unfinished(self._path.parent)
            content = changed(self._read())
            if content != self._content:
                write_json(self._path, vars(content))

    def _read(self) -> _Content:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._content = None, _Content()
            return self._content
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            try:
                plain: dict[str, Any] = json.loads(self._path.read_bytes())
                content = _Content(str(plain["salt"]), dict(plain["people"]), plain["under_way"])
            except (ValueError, TypeError, LookupError) as error:
                # Taken for empty, it would bring everybody back who asked to be forgotten.
                raise ValueError(
                    f"{self._path} cannot be read ({error}): it says who was forgotten, so nothing "
                    "is done without it; put it back from a backup"
                ) from error
            self._seen, self._content = seen, content
        return self._content


def _hash(salt: str, user_id: str) -> str:
    return hmac.new(bytes.fromhex(salt), user_id.encode(), hashlib.sha256).hexdigest()
