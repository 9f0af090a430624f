"""Where the verdicts and analyses of experiments lie: each in a folder of its own, or in a set.

What belongs here: the folder of one experiment, its atomic writes, its lock and its history, and
looking into result sets where the folder does not have something. What does not: deciding anything
(`experiments.service`), what goes from folders into sets (`gathering`) and what is deleted
(`keeping`), MLflow (`stores.runs`), pages (`report`).

Whatever is written goes into the folder, ``<root>/<user_id>/<intervention_id>/``:

========================== =========================================================
``verdict.json``           the newest verdict, replaced whole
``runs/<fingerprint>/``    one analysis: ``verdict.json``, ``analysis.json``,
                           ``daily.parquet``, the posterior, and what these were when they
                           were written; written once, never changed
``recorded/<fp>.json``     the MLflow run that holds this analysis
``announced.json``         which verdict Dagster was told of
``.lock``                  held by whoever analyses this experiment
========================== =========================================================

Of what is gathered into a set later, the folder keeps its lock alone. What lies in the folder is
newer than what lies in sets.

What cannot be read is set aside (`files.damage`) and taken for not there: the next evaluation makes
it again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from its_pipeline.events.keys import SEPARATOR, parse_experiment_key
from its_pipeline.files.atomic import (
    UNFINISHED_PREFIX,
    exclusive,
    finished_folder,
    remove_unfinished,
    write_json,
)
from its_pipeline.files.contents import (
    CONTENTS_FILE,
    Written,
    differing,
    read_contents,
    write_contents,
)
from its_pipeline.files.damage import read_or_set_aside, set_aside
from its_pipeline.files.names import file_names, path_of_name
from its_pipeline.stores.result_rows import STANDING
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.its import Analysis
    from its_pipeline.its.storage import Stored
    from its_pipeline.stores.result_sets import ResultSets

VERDICT_FILE = "verdict.json"
ANNOUNCED_FILE = "announced.json"
#: Tables beside an analysis, by the names of their files without ``.parquet``.
TABLES = ("series", "comparisons")


class ExperimentStore:
    """The folders of all experiments under one root.

    Parameters
    ----------
    root
        ``Settings.experiments_dir``, directly under the store's root.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def sets(self) -> ResultSets:
        """The result sets of the same store; Arrow is imported when they are first asked."""
        from its_pipeline.stores.result_sets import ResultSets

        return ResultSets(self.root.parent)

    def folder(self, key: str) -> Path:
        """Return the folder of an experiment; the key is validated, so it cannot leave the root."""
        parsed = parse_experiment_key(key)
        return path_of_name(self.root, parsed.user_id, parsed.intervention_id)

    def analysis_folder(self, key: str, fingerprint: str) -> Path:
        """Return where the analysis with this fingerprint lies, whether it is there or not."""
        return self.folder(key) / "runs" / fingerprint

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the experiment's lock, and take away what an interrupted holder left."""
        folder = self.folder(key)
        with exclusive(folder / ".lock"):
            remove_unfinished(folder)
            remove_unfinished(folder / "runs")
            yield

    def verdict(self, key: str) -> Verdict | None:
        """Return the newest verdict, or None where there is none that can be read."""
        own = self._read_verdict(self.folder(key) / VERDICT_FILE, key)
        return own or self._verdict_in_sets(key, STANDING)

    def with_own_verdict(self, keys: Iterable[str]) -> set[str]:
        """Return which of many experiments have a verdict in their folder, readable or not."""
        if not self.root.is_dir():
            return set()
        people = {entry.name for entry in os.scandir(self.root)}
        written = file_names(self.root)
        found = set()
        for key in keys:
            user, _, intervention = key.partition(SEPARATOR)
            folder = written(user)
            path = f"{self.root}/{folder}/{written(intervention)}/{VERDICT_FILE}"
            # By text: a `Path` each takes four times as long as asking the file system.
            if folder in people and os.path.exists(path):  # noqa: PTH110
                found.add(key)
        return found

    def finished(self, key: str, fingerprint: str) -> Verdict | None:
        """Return the stored verdict of this very analysis, or None where it is to be made.

        An analysis with a damaged file is set aside whole.
        """
        if not self.is_whole(key, fingerprint):
            return None
        own = self._read_verdict(self.analysis_folder(key, fingerprint) / VERDICT_FILE, key)
        return own or self._verdict_in_sets(key, fingerprint)

    def is_whole(self, key: str, fingerprint: str) -> bool:
        """Tell whether an analysis is there as it was written; a damaged one is set aside."""
        return self.is_loose_and_whole(key, fingerprint) or self.sets.is_whole(key, fingerprint)

    def holds(self, key: str, fingerprint: str) -> bool:
        """Tell whether an analysis is there, without looking whether it is whole."""
        if self.analysis_folder(key, fingerprint).is_dir():
            return True
        return self.sets.row(key, fingerprint) is not None

    def is_loose_and_whole(self, key: str, fingerprint: str) -> bool:
        """Tell whether an analysis lies in its folder as it was written."""
        folder = self.analysis_folder(key, fingerprint)
        if not folder.is_dir():
            return False
        contents = self.contents(key, fingerprint)
        if contents is None:
            # Of an earlier version, or what was written down is lost: as long as it can be read.
            verdict = self._read_verdict(folder / VERDICT_FILE, key)
            if verdict is None or not self._is_readable(folder, verdict):
                self.set_aside_analysis(key, fingerprint, "it cannot be read")
                return False
            write_contents(folder, _names(folder))
            return True
        wrong = differing(folder, contents)
        for name, why in wrong.items():
            # Not where it has been gathered into a set meanwhile.
            if folder.is_dir():
                self.set_aside_analysis(key, fingerprint, f"{name}: {why}")
            return False
        return True

    def stored(
        self, key: str, fingerprint: str, *, with_trace: bool = True
    ) -> tuple[Stored, dict[str, pd.DataFrame]] | None:
        """Return what is stored of an analysis, and the tables beside it; None where there is none.

        One that cannot be read is set aside. Without `with_trace` an auditor's chains, which no
        effect needs, may be left out.
        """
        from its_pipeline.its.packing import unpacked

        folder = self.analysis_folder(key, fingerprint)

        def read(path: Path) -> tuple[Stored, dict[str, pd.DataFrame]]:
            return read_loose(path, with_trace=with_trace)

        found = read_or_set_aside(folder, read, self.root.parent)
        if found is not None:
            return found
        content = self.sets.analysis(key, fingerprint)
        return None if content is None else unpacked(content)

    def analysis(self, key: str, fingerprint: str, *, with_trace: bool = True) -> Analysis | None:
        """Return a stored analysis, or None where there is none; see `stored`."""
        from its_pipeline.its import Analysis

        found = self.stored(key, fingerprint, with_trace=with_trace)
        return None if found is None else Analysis.from_stored(found[0])

    def told(self, key: str, fingerprint: str) -> Mapping[str, Any]:
        """Return what a stored analysis says of itself; empty where there is none."""
        path = self.analysis_folder(key, fingerprint) / "analysis.json"
        found = read_or_set_aside(path, _json, self.root.parent)
        if found is not None:
            return found
        content = self.sets.analysis(key, fingerprint)
        if content is None:
            return {}
        from its_pipeline.its.packing import told_of

        return told_of(content)

    def contents(self, key: str, fingerprint: str) -> dict[str, Written] | None:
        """Return what an analysis' files were when they were written; None where that is lost."""
        file = self.analysis_folder(key, fingerprint) / CONTENTS_FILE
        return read_or_set_aside(file, read_contents, self.root.parent)

    def set_aside_analysis(self, key: str, fingerprint: str, why: str) -> None:
        """Set an analysis aside, so that it is made again, and forget that it was recorded."""
        set_aside(self.analysis_folder(key, fingerprint), self.root.parent, why)
        self.forget_recorded_run(key, fingerprint)

    def _is_readable(self, folder: Path, verdict: Verdict) -> bool:
        if verdict.diagnostics is None:
            return True
        from its_pipeline.its import Analysis

        return read_or_set_aside(folder, Analysis.load, self.root.parent) is not None

    def _verdict_in_sets(self, key: str, fingerprint: str) -> Verdict | None:
        row = self.sets.row(key, fingerprint)
        return None if row is None else Verdict.from_dict(json.loads(row.verdict))

    def _read_verdict(self, path: Path, key: str) -> Verdict | None:
        def read(file: Path) -> Verdict:
            verdict = Verdict.from_dict(json.loads(file.read_bytes()))
            if verdict.key != key:
                raise ValueError(f"it is the verdict of {verdict.key!r}, not of {key!r}")
            return verdict

        return read_or_set_aside(path, read, self.root.parent)

    def write_verdict(self, verdict: Verdict) -> None:
        """Make a verdict the newest one."""
        write_json(self.folder(verdict.key) / VERDICT_FILE, verdict.to_dict())

    def write_analysis(self, verdict: Verdict, save: Callable[[Path], None]) -> None:
        """Store a finished analysis for good.

        Parameters
        ----------
        verdict
            Its verdict; its fingerprint names the folder.
        save
            Writes the analysis' own files into the folder it is given.

        Raises
        ------
        ValueError
            The verdict has no fingerprint.
        """
        if verdict.fingerprint is None:
            raise ValueError(f"an analysis without a fingerprint cannot be stored: {verdict.key}")
        with finished_folder(self.analysis_folder(verdict.key, verdict.fingerprint)) as folder:
            save(folder)
            # The folder comes into being as a whole, and synced: its files need not one by one.
            text = json.dumps(verdict.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)
            (folder / VERDICT_FILE).write_text(text, encoding="utf-8")
            write_contents(folder, _names(folder))

    def files(self, key: str, fingerprint: str) -> dict[str, Path]:
        """Return the files of an analysis by their names; none of one that lies in a set."""
        folder = self.analysis_folder(key, fingerprint)
        return {name: folder / name for name in _names(folder)} if folder.is_dir() else {}

    def announced(self, key: str) -> Any:
        """Return what Dagster was last told of an experiment; None where that is not known."""
        path = self.folder(key) / ANNOUNCED_FILE
        found = read_or_set_aside(path, _json, self.root.parent)
        if found is not None:
            return found
        row = self.sets.row(key, STANDING)
        return None if row is None or row.announced is None else json.loads(row.announced)

    def write_announced(self, key: str, told: Mapping[str, Any]) -> None:
        """Remember what Dagster was told of an experiment."""
        write_json(self.folder(key) / ANNOUNCED_FILE, told)

    def forget_announced(self) -> int:
        """Forget what Dagster was told, as when its database is lost; return of how many."""
        in_sets = self.sets.rewrite(lambda row: replace(row, announced=None))
        return in_sets + self._unlink(f"*/*/{ANNOUNCED_FILE}")

    def recorded_run(self, key: str, fingerprint: str) -> str | None:
        """Return the MLflow run that holds this analysis, or None."""
        found = read_or_set_aside(
            self._recorded(key, fingerprint),
            lambda file: (json.loads(file.read_bytes())["mlflow_run_id"],),
            self.root.parent,
        )
        if found is not None:
            return found[0]
        row = self.sets.row(key, fingerprint)
        return None if row is None else row.mlflow_run_id

    def forget_recorded_run(self, key: str, fingerprint: str) -> None:
        """Forget which MLflow run holds this analysis: it is found, or made, when next recorded."""
        row = self.sets.row(key, fingerprint)
        if row is not None and row.mlflow_run_id is not None:
            # It goes before what the set says.
            write_json(self._recorded(key, fingerprint), {"mlflow_run_id": None})
        else:
            self._recorded(key, fingerprint).unlink(missing_ok=True)

    def forget_recorded_runs(self) -> int:
        """Forget the MLflow runs of all analyses, as when MLflow's database is lost; how many."""
        in_sets = self.sets.rewrite(lambda row: replace(row, mlflow_run_id=None))
        return in_sets + self._unlink("*/*/recorded/*.json")

    def _unlink(self, pattern: str) -> int:
        files = [file for file in self.root.glob(pattern) if not file.is_dir()]
        for file in files:
            file.unlink()
        return len(files)

    def _recorded(self, key: str, fingerprint: str) -> Path:
        return self.folder(key) / "recorded" / f"{fingerprint}.json"

    def write_recorded_run(self, key: str, fingerprint: str, mlflow_run_id: str) -> None:
        """Remember which MLflow run holds this analysis."""
        write_json(self._recorded(key, fingerprint), {"mlflow_run_id": mlflow_run_id})

    def history(self, key: str) -> list[Verdict]:
        """Return the verdicts of all stored analyses of an experiment, newest first."""
        found = {
            row.fingerprint: Verdict.from_dict(json.loads(row.verdict))
            for row in self.sets.rows(key)
            if not row.is_standing
        }
        for fingerprint in self.loose_fingerprints(key):
            path = self.analysis_folder(key, fingerprint) / VERDICT_FILE
            verdict = self._read_verdict(path, key)
            if verdict is not None:
                found[fingerprint] = verdict
        return sorted(found.values(), key=lambda verdict: verdict.decided_at, reverse=True)

    def loose_fingerprints(self, key: str) -> list[str]:
        """Return the fingerprints of analyses that lie in the experiment's folder, sorted."""
        return sorted(path.name for path in (self.folder(key) / "runs").glob("[!.]*"))

    def keys_of(self, user_id: str) -> list[str]:
        """Return a person's experiments of which anything is stored, sorted."""
        found = self.sets.experiments(user_id)
        folder = path_of_name(self.root, user_id)
        for path in (
            *folder.glob(f"[!.]*/{VERDICT_FILE}"),
            *folder.glob(f"*/runs/[!.]*/{VERDICT_FILE}"),
        ):
            verdict = read_or_set_aside(path, _verdict, self.root.parent)
            if verdict is not None:
                found.add(verdict.key)
        return sorted(found)

    def delete_folder(self, key: str, fingerprint: str) -> None:
        """Delete the folder of an analysis; the experiment's lock is held."""
        folder = self.analysis_folder(key, fingerprint)
        # Renamed first: a deletion that is interrupted must not look like an analysis.
        doomed = folder.with_name(f"{UNFINISHED_PREFIX}{fingerprint}")
        folder.rename(doomed)
        shutil.rmtree(doomed)


def read_loose(folder: Path, *, with_trace: bool = True) -> tuple[Stored, dict[str, pd.DataFrame]]:
    """Return what lies in the folder of an analysis; see `its.storage.read_analysis`.

    Raises
    ------
    FileNotFoundError
        One of its files is missing.
    """
    import pandas as pd

    from its_pipeline.its.storage import read_analysis

    files = {name: folder / f"{name}.parquet" for name in TABLES}
    tables = {name: pd.read_parquet(file) for name, file in files.items() if file.is_file()}
    return read_analysis(folder, with_trace=with_trace), tables


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _verdict(path: Path) -> Verdict:
    return Verdict.from_dict(_json(path))


def _names(folder: Path) -> Iterable[str]:
    """Return the files of an analysis' folder, without the one that lists them."""
    return [file.name for file in folder.iterdir() if not file.name.startswith(".")]
