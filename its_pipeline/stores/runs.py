"""The run store: every analysis as one MLflow run, findable by person, experiment and fingerprint.

What belongs here: what an analysis' run holds, how runs are searched, and opening the store safely
from several processes at once. What does not: deciding a verdict (`experiments`), the files of an
analysis (`stores.experiment_store`), or Dagster's own run (`defs.resources`).
MLflow is imported when a store is first used: it takes seconds.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from its_pipeline.events.keys import validate_id
from its_pipeline.files.atomic import exclusive
from its_pipeline.settings import Settings
from its_pipeline.stores.artifacts import drop_all_artifacts, drop_artifacts, put_artifacts
from its_pipeline.stores.run_contents import complete_run
from its_pipeline.stores.run_database import (
    SQLITE_WAIT_SECONDS,
    is_database,
    make_sqlite,
    move_locations,
    postgres_creation_lock,
    sqlite_path,
)
from its_pipeline.stores.run_fields import (
    TAG_FINGERPRINT,
    TAG_INTERVENTION,
    TAG_PAGE,
    TAG_POSTERIOR,
    TAG_STATUS,
    TAG_USER,
    RunPage,
    RunSummary,
    analysis_tags,
    fingerprint_equals,
    summarise,
    tag_equals,
)
from its_pipeline.stores.shard_newest import forget_all_runs
from its_pipeline.stores.verdict import STATUSES, RunContext, Verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: More runs than one fingerprint has: one an experiment with these very days, and killed ones.
_MOST_ALIKE: Final = 1000
#: The large files of an analysis' folder.
DRAWS_FILES: Final = ("posterior.npz", "grid.npz", "trace.npz")

RunState = Literal["FINISHED", "FAILED", "KILLED"]

_RUN_ID = re.compile(r"[0-9a-f]{32}")


class UnknownRunError(LookupError):
    """A run was asked for that the store does not hold."""


class RunStore:
    """The MLflow experiment that holds all analyses.

    Parameters
    ----------
    tracking_uri
        MLflow's tracking URI; a SQLite file is created where it is missing.
    experiment_name
        MLflow experiment.
    artifact_dir
        Folder of the artifacts where the tracking URI is a database; of a SQLite file by default
        ``mlartifacts`` beside it. A tracking server decides for itself.
    on_lost
        Called where a SQLite file had to be made: what points into an earlier one points nowhere.
    """

    def __init__(
        self,
        tracking_uri: str,
        experiment_name: str = "its_pipeline",
        artifact_dir: Path | None = None,
        on_lost: Callable[[], object] | None = None,
    ) -> None:
        self._on_lost = on_lost
        self.tracking_uri = tracking_uri
        self.experiment_name = experiment_name
        self._sqlite = sqlite_path(tracking_uri)
        self._artifact_dir = artifact_dir or (
            self._sqlite.parent / "mlartifacts" if self._sqlite else None
        )
        self._opened: tuple[MlflowClient, str] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> RunStore:
        """Open the run store that the settings name."""
        uri = settings.resolved_mlflow_tracking_uri
        # A tracking server knows where its artifacts lie; a bare database does not.
        return cls(
            uri,
            settings.mlflow_experiment,
            settings.mlflow_artifact_dir if is_database(uri) else None,
            lambda: forget_all_runs(settings),
        )

    @property
    def client_uri(self) -> str:
        """The tracking URI with which our own clients open the store."""
        if self._sqlite is None or "?" in self.tracking_uri:
            return self.tracking_uri
        return f"{self.tracking_uri}?timeout={SQLITE_WAIT_SECONDS}"

    def open(self) -> tuple[MlflowClient, str]:
        """Return the client and the experiment's id; create store and experiment where missing.

        Several processes may call this at the same time on a store that is not there yet: one
        creates it, the others wait.
        """
        if self._opened is None:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            # Says which tables it creates, on the first use of every store.
            logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
            from mlflow import MlflowClient

            with self._creating():
                if self._sqlite is not None and self._artifact_dir is not None:
                    made = make_sqlite(self._sqlite, self._artifact_dir)
                    if made and self._on_lost is not None:
                        self._on_lost()
                    if self._artifact_dir.parent == self._sqlite.parent:
                        # Both lie in the store, wherever that lies today.
                        move_locations(self.client_uri, self.experiment_name, self._artifact_dir)
                client = MlflowClient(tracking_uri=self.client_uri)
                experiment_id = self._ensure_experiment(client)
            self._opened = client, experiment_id
        return self._opened

    def _ensure_experiment(self, client: MlflowClient) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(self.experiment_name)
        if found is not None:
            return str(found.experiment_id)
        location = None if self._artifact_dir is None else str(self._artifact_dir)
        try:
            return str(client.create_experiment(self.experiment_name, artifact_location=location))
        except MlflowException:
            # Another machine created it between the two calls.
            found = client.get_experiment_by_name(self.experiment_name)
            if found is None:
                raise
            return str(found.experiment_id)

    def record_analysis(
        self,
        verdict: Verdict,
        told: Mapping[str, Any],
        files: Mapping[str, Path],
        context: RunContext,
        on_run: Callable[[str], None] | None = None,
    ) -> str:
        """Record one analysis and its files as one finished MLflow run.

        The same analysis of the same experiment is recorded once: where a finished run exists, it
        gets the files again and its id is returned; one that an interrupted writer left is
        completed, under the id it has.

        Parameters
        ----------
        verdict
            What came out; one that did not converge has no effects to record.
        told
            What the stored analysis says of itself (``ExperimentStore.told``): its parameters.
        files
            Its files by name; of one in a result set none: the set has everything.
        context
            The Dagster run, and the MLflow run of that Dagster run.
        on_run
            Called with the run's id as soon as there is one: whoever interrupts the writing after
            that finds the same run completed by the next one who records this analysis.

        Returns
        -------
        str
            MLflow's run id.

        Raises
        ------
        ValueError
            The verdict has no fingerprint: nothing was analysed.
        """
        if verdict.fingerprint is None:
            raise ValueError(
                f"only an analysis can be recorded, but {verdict.key} is {verdict.status} "
                "and has no fingerprint"
            )
        self.open()
        with self.writing():
            run = self._run_of(verdict) or self._create_run(verdict, context)
            run_id = str(run.info.run_id)
            if on_run is not None:
                on_run(run_id)
            if run.info.status != "FINISHED":
                complete_run(self.open()[0], run, verdict, told, files, self._artifact_dir)
            else:
                # Whoever records it again does not know the run, or found its files damaged.
                put_artifacts(self.open()[0], run, files, self._artifact_dir)
        return run_id

    def add_artifacts(self, run_id: str, files: Mapping[str, Path]) -> None:
        """Add files to a recorded run.

        Parameters
        ----------
        run_id
            MLflow's run id.
        files
            Path inside the run's artifacts to local file.
        """
        client, _ = self.open()
        put_artifacts(client, client.get_run(run_id), files, self._artifact_dir)

    def link_page(self, run_id: str, address: str) -> None:
        """Note in a recorded run where the experiment's page is, which was not drawn yet."""
        client, _ = self.open()
        with self.writing():
            client.set_tag(run_id, TAG_PAGE, address)

    def drop_posterior(self, run_id: str) -> None:
        """Delete a recorded run's draws; its numbers, plots, report and series stay.

        A run that somebody deleted in MLflow is no error: there is nothing to keep apart.
        """
        client, _ = self.open()
        run = self._run(run_id)
        if run is None:
            return
        drop_artifacts(run, DRAWS_FILES, self._artifact_dir)
        if run.info.lifecycle_stage == "active":
            with self.writing():
                client.set_tag(run_id, TAG_POSTERIOR, "pruned")

    def forget(self, run_id: str) -> None:
        """Delete a recorded run for good, its numbers and all its files.

        A run that is gone already is no error. A tracking server keeps it among its deleted runs
        until ``mlflow gc`` is run there.
        """
        client, _ = self.open()
        run = self._run(run_id)
        if run is None:
            return
        drop_all_artifacts(run, self._artifact_dir)
        with self.writing():
            if run.info.lifecycle_stage == "active":
                client.delete_run(run_id)
            # What ``mlflow gc`` calls, for stores that can; a program of its own takes seconds.
            delete = getattr(client._tracking_client.store, "_hard_delete_run", None)
            if delete is not None:
                delete(run_id)

    @contextmanager
    def _creating(self) -> Iterator[None]:
        """Let one process at a time create tables: MLflow's own migration would collide."""
        if not self.tracking_uri.startswith("postgresql"):
            with self.writing():
                yield
            return
        with postgres_creation_lock(self.tracking_uri):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let one process at a time write to a SQLite store; a server does that itself."""
        if self._sqlite is None:
            yield
        else:
            with exclusive(self._sqlite.with_name(f".{self._sqlite.name}.lock")):
                yield

    def _run(self, run_id: str) -> Run | None:
        from mlflow.exceptions import MlflowException

        client, _ = self.open()
        try:
            return client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _run_of(self, verdict: Verdict) -> Run | None:
        """Return the run of this very analysis that is finished or was being written, if any."""
        # By the fingerprint alone, of which there are few: every clause costs a millisecond.
        same = self._search(fingerprint_equals(verdict.fingerprint or ""), _MOST_ALIKE)
        whose = (verdict.user_id, verdict.intervention_id)
        by_status: dict[str, Run] = {}
        for run in same:
            tags = run.data.tags
            if (tags.get(TAG_USER), tags.get(TAG_INTERVENTION)) == whose:
                by_status.setdefault(str(run.info.status), run)
        return by_status.get("FINISHED") or by_status.get("RUNNING")

    def _create_run(self, verdict: Verdict, context: RunContext) -> Run:
        client, experiment_id = self.open()
        # Tagged from the first moment, so that an interrupted writing is recognised.
        return client.create_run(
            experiment_id,
            start_time=int(time.time() * 1000),
            tags=analysis_tags(verdict, context),
            run_name=verdict.key,
        )

    def history(
        self,
        user_id: str | None = None,
        intervention_id: str | None = None,
        status: str | None = None,
        page: str | None = None,
        page_size: int = 50,
    ) -> RunPage:
        """Return finished analyses, newest first.

        Raises
        ------
        ValueError
            An identifier or a status is not a legal one; nothing reaches MLflow's filter then.
        """
        clauses = ["attributes.status = 'FINISHED'", f"tags.`{TAG_FINGERPRINT}` != ''"]
        if user_id is not None:
            clauses.append(tag_equals(TAG_USER, validate_id("user_id", user_id)))
        if intervention_id is not None:
            clauses.append(
                tag_equals(TAG_INTERVENTION, validate_id("intervention_id", intervention_id))
            )
        if status is not None:
            if status not in STATUSES:
                raise ValueError(f"status should be one of {STATUSES} but got {status!r}")
            clauses.append(tag_equals(TAG_STATUS, status))
        found = self._search(" and ".join(clauses), page_size, page)
        return RunPage(tuple(summarise(run) for run in found), found.token or None)

    def find(self, fingerprint: str, user_id: str | None = None) -> RunSummary | None:
        """Return the finished run of an analysis by its fingerprint, or None."""
        clauses = [fingerprint_equals(fingerprint), "attributes.status = 'FINISHED'"]
        if user_id is not None:
            clauses.append(tag_equals(TAG_USER, validate_id("user_id", user_id)))
        found = self._search(" and ".join(clauses), 1)
        return summarise(found[0]) if found else None

    def get(self, run_id: str) -> RunSummary:
        """Return one run.

        Raises
        ------
        UnknownRunError
            There is no such run, or it holds no analysis.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise UnknownRunError(f"no run {run_id!r}: a run id has 32 hexadecimal digits")
        _, experiment_id = self.open()
        run = self._run(run_id)
        if run is None:
            raise UnknownRunError(f"no run {run_id!r} in the run store")
        if run.info.experiment_id != experiment_id or TAG_FINGERPRINT not in run.data.tags:
            raise UnknownRunError(f"run {run_id!r} holds no analysis")
        return summarise(run)

    def artifact(self, run_id: str, name: str) -> Path:
        """Return a local path of one artifact of a run; downloaded where it lies elsewhere.

        Raises
        ------
        UnknownRunError
            There is no such run or artifact.
        """
        self.get(run_id)
        client, _ = self.open()
        known = {info.path for info in client.list_artifacts(run_id)}
        if name not in known:
            raise UnknownRunError(
                f"run {run_id!r} has no artifact {name!r}; it has {sorted(known)}"
            )
        return Path(client.download_artifacts(run_id, name))

    def _search(self, clause: str, limit: int, page: str | None = None) -> Any:
        client, experiment_id = self.open()
        return client.search_runs(
            [experiment_id],
            filter_string=clause,
            max_results=limit,
            order_by=["attributes.start_time DESC"],
            page_token=page,
        )
