"""Result sets: a few Parquet files that hold the results of many experiments.

What belongs here: finding rows by their experiment, adding, rewriting and merging files, each in
one step, and what becomes of a damaged one. What does not: one file (`result_file`), what is put
into sets and when (`gathering`), or which results are kept (`keeping`).

``<store root>/results/``

============================ ====================================================================
``set-<number>.parquet``     rows sorted by key and fingerprint, in groups of a few; of two sets
                             with a row of the same place, the one of the higher number is newer
``set-<number>-<shard>...``  the same, with rows of one shard's people alone
``.set-<number>.json``       size and time of the file when all of it was last known to be whole
``.lock``                    held by whoever writes; by all who write one shard's sets together,
                             each of whom holds ``.lock-<shard>`` too
============================ ====================================================================

Readers take no lock: they see every file whole, as it was before or after a change. What is read is
held against Parquet's own checksums. A set with a damaged part is set aside as it is, and its other
parts take its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.shards import Shard
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_json
from its_pipeline.files.damage import DAMAGE, is_of_the_machine, read_or_set_aside, set_aside
from its_pipeline.files.parquet import unfinished_file
from its_pipeline.stores.result_file import (
    SCHEMA,
    SMALL_COLUMNS,
    ResultFile,
    merged,
    opened,
    read_all,
    read_note,
    rows_of,
    table_of,
    write_file,
)
from its_pipeline.stores.result_rows import ResultRow
from its_pipeline.stores.set_merging import mergeable
from its_pipeline.stores.set_names import (
    delete_set,
    highest_number,
    note_of,
    person_of,
    set_name,
    sets_in,
)

#: Rows beyond which sets are not merged into one: half a gigabyte, rewritten in seconds.
MOST_ROWS: Final = 20_000

T = TypeVar("T")


class ResultSets:
    """All result sets of a store.

    Parameters
    ----------
    store_root
        Root of the store; the sets lie in its folder ``results``.
    """

    def __init__(self, store_root: Path) -> None:
        self._store_root = store_root
        self.folder = store_root / "results"

    def paths(self) -> list[Path]:
        """Return the files, the newest first."""
        return sets_in(self.folder)

    def paths_of(self, people: Shard | str | None, *, listed: bool = False) -> list[Path]:
        """Return the files in which rows of a shard or a person can lie, the newest first."""
        return sets_in(self.folder, people, listed=listed)

    def rows(self, key: str) -> list[ResultRow]:
        """Return an experiment's rows without their analyses: of each place the newest one.

        Parameters
        ----------
        key
            The experiment.
        """
        found: dict[tuple[str, str], ResultRow] = {}
        for file in self._files(person_of(key), listed=True):
            for row in self._read(file, lambda it: it.small_rows(key)) or ():
                found.setdefault(row.place, row)
        return list(found.values())

    def row(self, key: str, fingerprint: str) -> ResultRow | None:
        """Return one row without its analysis, the newest; None where there is none."""
        return next((row for row in self.rows(key) if row.fingerprint == fingerprint), None)

    def analysis(self, key: str, fingerprint: str) -> bytes | None:
        """Return a packed analysis; None where there is none, or it was damaged."""
        for file in self._files(person_of(key), listed=True):
            found = self._read(file, lambda it: it.analysis(key, fingerprint))
            if found is not None:
                return found
        return None

    def is_whole(self, key: str, fingerprint: str) -> bool:
        """Tell whether an analysis is there as it was written.

        A file of another size or time than when it was known to be whole is read to its end first;
        what is damaged of it is gone after that.
        """
        for _ in range(2):
            for file in self._files(person_of(key)):
                has_it = self._read(file, lambda it: it.has(key, fingerprint))
                if has_it and self._is_known_whole(file):
                    return True
        return False

    def experiments(self, user_id: str | None = None) -> set[str]:
        """Return the experiments with rows: all, or one person's."""
        found: set[str] = set()
        for file in self._files(user_id):
            found |= self._read(file, lambda it: it.experiments(user_id)) or set()
        return found

    def standing(self) -> Iterator[tuple[str, Callable[[], list[str]]]]:
        """Yield each set, newest first, and what reads the verdicts by which experiments stand.

        A set that is named as before is the same one, with the same rows.
        """
        for file in self._files():
            name = f"{file.path.name} {file.identity['size']} {file.identity['modified_ns']}"
            yield name, lambda file=file: self._read(file, ResultFile.standing) or []

    def small_table(self, shard: Shard, columns: list[str]) -> pa.Table:
        """Return columns of a shard's rows: of each place the newest one, in the order of places.

        Parameters
        ----------
        shard
            Whose.
        columns
            Names in `result_file.SMALL_COLUMNS`; key and fingerprint are in it anyway.
        """
        wanted = list(dict.fromkeys(["key", "fingerprint", *columns]))
        tables = []
        newest: dict[tuple[str, str], int] = {}
        at = 0
        for table in self.small_tables(wanted, shard):
            keys, fingerprints = (table.column(name).to_pylist() for name in wanted[:2])
            for place in zip(keys, fingerprints, strict=True):
                newest.setdefault(place, at)
                at += 1
            tables.append(table)
        if not tables:
            return SCHEMA.empty_table().select(wanted)
        # A set of more people than the shard's has others' rows, too.
        places = [each for each in sorted(newest) if shard.has(person_of(each[0]))]
        return pa.concat_tables(tables).take(
            pa.array([newest[each] for each in places], pa.int64())
        )

    def small_tables(self, columns: list[str], shard: Shard | None = None) -> Iterator[pa.Table]:
        """Yield columns of all rows, a table a set, newest first, of sets a shard can be in."""
        for file in self._files(shard):
            table = self._read(file, lambda it: it.small_table(columns))
            if table is not None:
                yield table

    def are_whole(self, shard: Shard) -> bool:
        """Tell whether nothing of a shard's sets is damaged; what is damaged is gone after that."""
        whole = [self._is_known_whole(file) for file in self._files(shard)]
        return all(whole)

    def add(self, rows: Iterable[ResultRow], shard: Shard | None = None) -> Path | None:
        """Put rows into a new set, without those of people who were forgotten meanwhile.

        Parameters
        ----------
        rows
            In any order, of each place one.
        shard
            Whose people all of them are, if so.

        Returns
        -------
        Path | None
            The set; None where no row is left.
        """
        with self._writing(shard):
            # Whoever deletes a person marks them first and takes this lock after that.
            forgotten = Forgotten(self._store_root)
            kept = [row for row in rows if row.user_id not in forgotten]
            if not kept:
                return None
            path = self.folder / set_name(highest_number(self.folder) + 1, shard)
            self._write(path, [table_of(sorted(kept, key=lambda row: row.place))])
            return path

    def rewrite(
        self,
        changed: Callable[[ResultRow], ResultRow | None],
        people: Shard | str | None = None,
    ) -> int:
        """Change or delete rows wherever they are; return how many.

        Parameters
        ----------
        changed
            Given a row without its analysis; returns what it shall be, or None to delete it. The
            analysis stays as it is.
        people
            Only in sets in which a row of this shard or this person can lie.
        """
        if not self.paths_of(people):
            return 0
        with self._writing():
            return sum(self._rewrite(file, changed) for file in list(self._files(people)))

    def drop(self, places: Iterable[tuple[str, str]], shard: Shard | None = None) -> int:
        """Delete rows by key and fingerprint, in sets of a shard or in all; return how many."""
        gone = set(places)
        return self.rewrite(lambda r: None if r.place in gone else r, shard) if gone else 0

    def drop_person(self, user_id: str) -> set[str]:
        """Delete a person's rows; return of which experiments there were any."""
        keys: set[str] = set()

        def without(row: ResultRow) -> ResultRow | None:
            if row.user_id != user_id:
                return row
            keys.add(row.key)
            return None

        self.rewrite(without, user_id)
        return keys

    def merge(
        self,
        most_rows: int = MOST_ROWS,
        most_times: float = math.inf,
        shard: Shard | None = None,
    ) -> int:
        """Put small sets together, the newest row of each place; return how many files are gone.

        Only neighbours are merged, into the highest of their numbers, so which row is newer stays
        as it is; sets of other people lie between none. Whoever is killed in between leaves rows
        twice; the next one merges them.

        Parameters
        ----------
        most_rows
            Of a set that comes of it.
        most_times
            Of so many times the rows of the newer ones together an older set is still merged.
        shard
            Only sets of this shard.
        """
        gone = 0
        with self._writing(shard):
            for group in mergeable(self._files(shard), most_rows, most_times, shard):
                # What is damaged of them is set aside first, or it would be lost with the files.
                read = [self._read(file, read_all, is_writing=True) for file in group]
                whole = [opened(f.path) for f, ok in zip(group, read, strict=True) if ok]
                if whole:
                    self._write(whole[0].path, merged(whole))
                for each in whole[1:]:
                    delete_set(each.path)
                gone += len(group) - 1
        return gone

    def damage(self) -> Iterator[tuple[Path, str]]:
        """Read every set to its end; yield those that are damaged, and how. Nothing is changed."""
        for path in self.paths():
            try:
                read_all(ResultFile(path))
            except DAMAGE as error:
                if is_of_the_machine(error):
                    raise
                yield path, f"{type(error).__name__}: {error}"

    def save_rest(self, path: Path, why: str) -> None:
        """Set a damaged set aside, and put what is whole of it in its place."""
        with self._writing():
            self._save_rest(path, why)

    def _rewrite(self, file: ResultFile, changed: Callable[[ResultRow], ResultRow | None]) -> int:
        rows = self._read(file, ResultFile.all_rows, is_writing=True) or []
        count = sum(changed(row) != row for row in rows)
        if not count:
            return 0

        def tables() -> Iterator[pa.Table]:
            for table in opened(file.path).groups():
                after = [changed(row) for row in rows_of(table.select(SMALL_COLUMNS))]
                stays = pa.array([row is not None for row in after])
                kept = table_of(row for row in after if row is not None)
                analyses = table.filter(stays).column("analysis")
                yield kept.set_column(len(SMALL_COLUMNS), SCHEMA.field("analysis"), analyses)

        if any(changed(row) is not None for row in rows):
            self._write(file.path, tables())
        else:
            delete_set(file.path)
        return count

    def _write(self, path: Path, tables: Iterable[pa.Table]) -> None:
        with unfinished_file(path) as unfinished:
            write_file(unfinished, tables)
        write_json(note_of(path), opened(path).identity)

    def _files(
        self, people: Shard | str | None = None, *, listed: bool = False
    ) -> Iterator[ResultFile]:
        """Yield the sets that can be opened, newest first, whatever others do meanwhile."""
        done: set[ResultFile] = set()
        while True:
            for path in self.paths_of(people, listed=listed):
                file = read_or_set_aside(path, opened, self._store_root)
                if file is None:
                    if path.exists():
                        continue  # It is damaged, and could not be set aside.
                    break  # Merged into one of those before it, which is another file now.
                if file not in done:
                    done.add(file)
                    yield file
            else:
                return

    def _read(
        self, file: ResultFile, read: Callable[[ResultFile], T], *, is_writing: bool = False
    ) -> T | None:
        """Read of a set; where that is damaged, of what is whole of it. None where nothing is."""
        try:
            return read(file)
        except DAMAGE as error:
            if is_of_the_machine(error):
                raise
            why = f"{type(error).__name__}: {error}"
        if is_writing:
            self._save_rest(file.path, why)
        else:
            self.save_rest(file.path, why)
        rest = read_or_set_aside(file.path, opened, self._store_root)
        return None if rest is None else read(rest)

    def _save_rest(self, path: Path, why: str) -> None:
        damaged = read_or_set_aside(path, ResultFile, self._store_root)
        if damaged is None:
            return
        whole = []
        for number in range(damaged.n_groups):
            try:
                whole.append(damaged.group(number))
            except DAMAGE as error:
                if is_of_the_machine(error):
                    raise
        if len(whole) == damaged.n_groups:
            return  # Somebody else has done it meanwhile.
        set_aside(path, self._store_root, f"some of its groups of rows: {why}")
        if whole:
            self._write(path, whole)

    def _is_known_whole(self, file: ResultFile) -> bool:
        """Tell whether a set is whole; one that nobody knows to be is read to its end."""
        if file.is_whole:
            return True
        if read_or_set_aside(note_of(file.path), read_note, self._store_root) != file.identity:
            self._read(file, read_all)
            if not file.path.exists() or opened(file.path).identity != file.identity:
                return False
            write_json(note_of(file.path), file.identity)
        file.is_whole = True
        return True

    @contextmanager
    def _writing(self, shard: Shard | None = None) -> Iterator[None]:
        """Keep other writers out; whoever writes one shard's sets, only others of that shard."""
        lock = self.folder / ".lock"
        if shard is None:
            with exclusive(lock):
                remove_unfinished(self.folder)
                yield
        else:
            own = self.folder / f".lock-{shard.slug}"
            with exclusive(lock, among_others=True), exclusive(own):
                yield
