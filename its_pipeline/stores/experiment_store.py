"""Where the plans, verdicts and analyses of experiments lie.

What belongs here: the folder of one experiment, its atomic writes, its lock and its history. What
does not: deciding anything (`experiments.service`), MLflow (`stores.runs`), pages (`report`).

``<root>/<user_id>/<intervention_id>/``

========================== =========================================================
``verdict.json``           the newest verdict, replaced whole
``runs/<fingerprint>/``    one analysis: ``verdict.json``, ``analysis.json``,
                           ``daily.parquet``, the posterior, and what these were when they
                           were written; written once, never changed
``recorded/<fp>.json``     the MLflow run that holds this analysis
``.lock``                  held by whoever analyses this experiment
========================== =========================================================

What cannot be read is set aside (`files.damage`) and taken for not there: the next evaluation makes
it again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from its_pipeline.events.keys import parse_experiment_key
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
from its_pipeline.files.names import path_of_name
from its_pipeline.stores.verdict import Verdict

VERDICT_FILE = "verdict.json"


class ExperimentStore:
    """The folders of all experiments under one root.

    Parameters
    ----------
    root
        ``Settings.experiments_dir``, directly under the store's root.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

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
        return self._read_verdict(self.folder(key) / VERDICT_FILE, key)

    def finished(self, key: str, fingerprint: str) -> Verdict | None:
        """Return the stored verdict of this very analysis, or None where it is to be made.

        An analysis with a damaged file is set aside whole.
        """
        folder = self.analysis_folder(key, fingerprint)
        if not folder.is_dir() or not self.is_whole(key, fingerprint):
            return None
        return self._read_verdict(folder / VERDICT_FILE, key)

    def is_whole(self, key: str, fingerprint: str) -> bool:
        """Tell whether an analysis is there as it was written; a damaged one is set aside."""
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
            self.set_aside_analysis(key, fingerprint, f"{name}: {why}")
            return False
        return True

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

    def recorded_run(self, key: str, fingerprint: str) -> str | None:
        """Return the MLflow run that holds this analysis, or None."""
        return read_or_set_aside(
            self._recorded(key, fingerprint),
            lambda file: str(json.loads(file.read_bytes())["mlflow_run_id"]),
            self.root.parent,
        )

    def forget_recorded_run(self, key: str, fingerprint: str) -> None:
        """Forget which MLflow run holds this analysis: it is found, or made, when next recorded."""
        self._recorded(key, fingerprint).unlink(missing_ok=True)

    def forget_recorded_runs(self) -> int:
        """Forget the MLflow runs of all analyses, as when MLflow's database is lost; how many."""
        files = [file for file in self.root.glob("*/*/recorded/*.json") if not file.is_dir()]
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
        runs = self.folder(key) / "runs"
        found = [self._read_verdict(path, key) for path in runs.glob(f"[!.]*/{VERDICT_FILE}")]
        return sorted(
            (verdict for verdict in found if verdict is not None),
            key=lambda verdict: verdict.decided_at,
            reverse=True,
        )

    def prune(self, key: str, keep: int, drop: Callable[[str], None] | None = None) -> int:
        """Delete all but the newest `keep` analyses; the current one always stays.

        Parameters
        ----------
        key
            The experiment.
        keep
            How many stay.
        drop
            Called with the MLflow run of each one ahead of its deletion, to take the draws from
            there as well; what the run says of the analysis is not touched here.

        Returns
        -------
        int
            How many were deleted.
        """
        if keep < 1:
            raise ValueError(f"keep should be at least 1 but got {keep}")
        with self.locked(key):
            current = self.verdict(key)
            removable = [
                verdict.fingerprint
                for verdict in self.history(key)[keep:]
                if verdict.fingerprint
                and (not current or verdict.fingerprint != current.fingerprint)
            ]
            for fingerprint in removable:
                run_id = self.recorded_run(key, fingerprint)
                if drop is not None and run_id is not None:
                    drop(run_id)
                self._delete(key, fingerprint)
        return len(removable)

    def remove(self, key: str, fingerprint: str, forget: Callable[[str], None]) -> bool:
        """Delete one analysis for good, unless it is the experiment's current one.

        Parameters
        ----------
        key, fingerprint
            The analysis; one that is gone already is no error.
        forget
            Called with its MLflow run, to delete that too.

        Returns
        -------
        bool
            Whether it was there and is gone.
        """
        with self.locked(key):
            current = self.verdict(key)
            if current is not None and current.fingerprint == fingerprint:
                return False
            # In this order: as long as the run is known, it can be deleted after an interruption.
            was_there = self.finished(key, fingerprint) is not None
            if was_there:
                self._delete(key, fingerprint)
            run_id = self.recorded_run(key, fingerprint)
            if run_id is not None:
                forget(run_id)
                self._recorded(key, fingerprint).unlink()
        return was_there

    def _delete(self, key: str, fingerprint: str) -> None:
        folder = self.analysis_folder(key, fingerprint)
        # Renamed first: a deletion that is interrupted must not look like an analysis.
        doomed = folder.with_name(f"{UNFINISHED_PREFIX}{fingerprint}")
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _names(folder: Path) -> Iterable[str]:
    """Return the files of an analysis' folder, without the one that lists them."""
    return [file.name for file in folder.iterdir() if not file.name.startswith(".")]
