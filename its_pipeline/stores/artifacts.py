"""Putting files among the artifacts of an MLflow run, and taking them away.

What belongs here: linking files that lie on the artifacts' own disk, uploading all others, and
removing what an interrupted upload left. What does not: which files a run gets (`stores.runs`).
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.settings import Settings
from its_pipeline.stores.run_database import is_database

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: How MLflow begins the name of a file that it is still copying into local artifacts.
UPLOADING: Final = ".artifact.uploading."
#: Another disk, a disk without links, or a file that has as many as it may have.
_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK})


class OutsideStoreError(ValueError):
    """Artifacts lie in a folder that is not the store's own."""


def put_artifacts(
    client: MlflowClient, run: Run, files: Mapping[str, Path], within: Path | None
) -> None:
    """Add files to a run, each whole.

    Parameters
    ----------
    client
        Of the run's tracking store.
    run
        The run.
    files
        Path inside the run's artifacts to local file. A file that lies on the artifacts' own disk
        is linked, not copied: it must be one that is only ever replaced, never written into.
    within
        The store's own folder of artifacts; None where a tracking server decides.

    Raises
    ------
    OutsideStoreError
        The run's artifacts lie on this machine, but not within that folder.
    """
    folder = _own_folder(run, within)
    left = dict(files)
    if folder is not None:
        _remove_unfinished(folder)
        left = {name: file for name, file in files.items() if not _link(file, folder / name)}
    for name, file in left.items():
        _upload(client, str(run.info.run_id), name, file)


def drop_artifacts(run: Run, names: Iterable[str], within: Path | None) -> None:
    """Delete files of a run's artifacts; one that is not there is no error.

    Raises
    ------
    OutsideStoreError
        As in `put_artifacts`.
    """
    _own_folder(run, within)
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(str(run.info.artifact_uri))
    there = {info.path for info in repository.list_artifacts()}
    for name in there.intersection(names):
        repository.delete_artifacts(name)


def drop_all_artifacts(run: Run, within: Path | None) -> None:
    """Delete every file of a run's artifacts, wherever they lie, and on a disk their folder."""
    folder = _own_folder(run, within)
    if folder is not None:
        # MLflow's own folder of the run has nothing but its artifacts.
        shutil.rmtree(folder.parent if folder.parent.name == run.info.run_id else folder, True)
        return
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(str(run.info.artifact_uri)).delete_artifacts()


def _own_folder(run: Run, within: Path | None) -> Path | None:
    folder = local_folder(str(run.info.artifact_uri))
    if folder is not None and within is not None and within not in folder.parents:
        raise OutsideStoreError(
            f"the artifacts of run {run.info.run_id} lie in {folder}, which is not in {within}: "
            "nothing outside of the store is written or deleted; where the store was moved, "
            "`its-pipeline store move` tells its run store so"
        )
    return folder


def local_artifacts(settings: Settings, run_id: str) -> Path | None:
    """Return where a run's artifacts lie in the store; None where a tracking server keeps them."""
    if not is_database(settings.resolved_mlflow_tracking_uri):
        return None
    return settings.mlflow_artifact_dir / run_id / "artifacts"


def drop_local(settings: Settings, run_id: str, names: Iterable[str]) -> None:
    """Delete files of a run's artifacts that lie in the store; elsewhere they stay."""
    folder = local_artifacts(settings, run_id)
    if folder is not None:
        for name in names:
            (folder / name).unlink(missing_ok=True)


def local_folder(artifact_uri: str) -> Path | None:
    """Return the folder of artifacts that lie on a disk of this machine, or None."""
    if "://" not in artifact_uri:
        return Path(artifact_uri.removeprefix("file:"))
    if artifact_uri.startswith("file:///"):
        return Path(artifact_uri.removeprefix("file://"))
    return None


def _link(file: Path, target: Path) -> bool:
    """Give a file a second name, in the place of what had it; tell whether that was possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}")
    try:
        os.link(file, unfinished)
        unfinished.replace(target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    finally:
        # Replacing a name by another name of the same file leaves both in place.
        unfinished.unlink(missing_ok=True)
    return True


def _upload(client: MlflowClient, run_id: str, name: str, file: Path) -> None:
    inside = PurePosixPath(name)
    parent = None if inside.parent == PurePosixPath() else str(inside.parent)
    if inside.name == file.name:
        client.log_artifact(run_id, str(file), parent)
        return
    with tempfile.TemporaryDirectory() as renamed:
        copy = Path(renamed) / inside.name
        shutil.copyfile(file, copy)
        client.log_artifact(run_id, str(copy), parent)


def _remove_unfinished(folder: Path) -> None:
    """Take away what a killed writer left: MLflow's uploads beside the final name, and links."""
    if not folder.is_dir():
        return
    for start in (UPLOADING, UNFINISHED_PREFIX):
        for left in folder.rglob(f"{start}*"):
            left.unlink(missing_ok=True)
