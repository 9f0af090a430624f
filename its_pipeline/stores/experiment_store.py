"""Where the plans, verdicts and analyses of experiments lie.

What belongs here: the folder of one experiment, its atomic writes, its lock and its history. What
does not: deciding anything (`experiments.service`), MLflow (`stores.runs`), pages (`report`).

``<root>/<user_id>/<intervention_id>/``

========================== =========================================================
``verdict.json``           the newest verdict, replaced whole
``runs/<fingerprint>/``    one analysis: ``verdict.json``, ``analysis.json``,
                           ``daily.parquet``, the posterior; written once, never changed
``recorded/<fp>.json``     the MLflow run that holds this analysis
``.lock``                  held by whoever analyses this experiment
========================== =========================================================
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
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
from its_pipeline.stores.verdict import Verdict


class ExperimentStore:
    """The folders of all experiments under one root.

    Parameters
    ----------
    root
        ``Settings.experiments_dir``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Return the folder of an experiment; the key is validated, so it cannot leave the root."""
        parsed = parse_experiment_key(key)
        return self.root / parsed.user_id / parsed.intervention_id

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
        """Return the newest verdict, or None where the experiment was never evaluated."""
        return _read_verdict(self.folder(key) / "verdict.json")

    def finished(self, key: str, fingerprint: str) -> Verdict | None:
        """Return the stored verdict of this very analysis, or None where it was never made."""
        return _read_verdict(self.analysis_folder(key, fingerprint) / "verdict.json")

    def write_verdict(self, verdict: Verdict) -> None:
        """Make a verdict the newest one."""
        write_json(self.folder(verdict.key) / "verdict.json", verdict.to_dict())

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
            (folder / "verdict.json").write_text(text, encoding="utf-8")

    def recorded_run(self, key: str, fingerprint: str) -> str | None:
        """Return the MLflow run that holds this analysis, or None."""
        path = self._recorded_path(key, fingerprint)
        if not path.is_file():
            return None
        return str(json.loads(path.read_text())["mlflow_run_id"])

    def write_recorded_run(self, key: str, fingerprint: str, mlflow_run_id: str) -> None:
        """Remember which MLflow run holds this analysis."""
        write_json(self._recorded_path(key, fingerprint), {"mlflow_run_id": mlflow_run_id})

    def history(self, key: str) -> list[Verdict]:
        """Return the verdicts of all stored analyses of an experiment, newest first."""
        runs = self.folder(key) / "runs"
        found = [_read_verdict(path) for path in runs.glob("[!.]*/verdict.json")]
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
                self._recorded_path(key, fingerprint).unlink()
        return was_there

    def _delete(self, key: str, fingerprint: str) -> None:
        folder = self.analysis_folder(key, fingerprint)
        # Renamed first: a deletion that is interrupted must not look like an analysis.
        doomed = folder.with_name(f"{UNFINISHED_PREFIX}{fingerprint}")
        folder.rename(doomed)
        shutil.rmtree(doomed)

    def _recorded_path(self, key: str, fingerprint: str) -> Path:
        return self.folder(key) / "recorded" / f"{fingerprint}.json"


def _read_verdict(path: Path) -> Verdict | None:
    if not path.is_file():
        return None
    return Verdict.from_dict(json.loads(path.read_text()))
