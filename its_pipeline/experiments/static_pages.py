"""Writing the pages of many experiments as files: those that bulk runs left, and stale ones.

What belongs here: which pages are missing, and having each published, in worker processes where
there are enough. What does not: publishing one (`publish`), drawing one for somebody who opens it
(`pages`), or deciding anything: a page shows the newest verdict that there is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.experiments.evaluate import Crash, attempt, crash_of
from its_pipeline.experiments.page_marks import MARK_FILE
from its_pipeline.experiments.parallel import through_workers, workers_for
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import is_published, page_path, publish_experiment
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.experiments.service import open_store
from its_pipeline.files.atomic import exclusive
from its_pipeline.processes.errors import JobFailedError, JobTimeoutError, WorkerLostError

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.experiments.publish import Publication
    from its_pipeline.processes.process import Handler
    from its_pipeline.settings import Settings


@dataclass
class Written:
    """What writing pages came to.

    Attributes
    ----------
    counts
        Experiments by what became of their pages: ``written``, ``unchanged``, ``undecided`` (they
        have no verdict yet) or ``crashed``.
    problems
        Key to reason, of what crashed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)


def write_pages(
    snapshot: Snapshot,
    user_id: str | None = None,
    *,
    anew: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write every page that is missing or stale as a file, with its pictures.

    Each is whole as soon as it is there, so it can be broken off and gone on with. What a bulk run
    does after it to a page whose verdict has changed, the settings say.

    Parameters
    ----------
    snapshot
        What is known now.
    user_id
        Only this person's.
    anew
        Whether pages that are up to date are drawn again, too.
    on_progress
        Called with (done, total) after each.

    Raises
    ------
    OSError
        Of the disk and not of an experiment.
    """
    settings = snapshot.settings
    found = Written()
    keys = [
        key
        for key in snapshot.experiment_keys()
        if user_id is None or parse_experiment_key(key).user_id == user_id
    ]
    todo = []
    for key in keys:
        told = _state(settings, key, anew=anew)
        if told == "missing":
            todo.append(key)
        else:
            found.counts[told] += 1
    forgotten = Forgotten(settings.store_root)
    done = len(keys) - len(todo)
    for key, crash in _published(snapshot, todo, anew=anew):
        done += 1
        if isinstance(crash, Crash) and parse_experiment_key(key).user_id in forgotten:
            # They left while this ran: nothing was written, and nothing is wrong.
            continue
        found.counts["written" if crash is None else "crashed"] += 1
        if crash is not None:
            found.problems[key] = crash.reason
        if on_progress is not None:
            on_progress(done, len(keys))
    return found


def _state(settings: Settings, key: str, *, anew: bool) -> str:
    verdict = open_store(settings).verdict(key)
    if verdict is None:
        return "undecided"
    if anew:
        return "missing"
    with exclusive(page_path(settings, key).with_name(".lock")):
        return "unchanged" if is_published(settings, verdict) else "missing"


def _published(
    snapshot: Snapshot, keys: list[str], *, anew: bool
) -> Iterator[tuple[str, Crash | None]]:
    workers = workers_for(snapshot.settings, len(keys))
    if not workers:
        publisher = _Publisher(snapshot.settings, anew)
        for key in keys:
            yield key, publisher.publish(snapshot.intervention(key))
        return
    arguments = (snapshot.settings, anew)
    for key, _, future in through_workers(_start, arguments, keys, snapshot.intervention, workers):
        yield key, _crash(key, future)


def _crash(key: str, future: Future[Any]) -> Crash | None:
    try:
        return future.result()
    except JobFailedError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno)) from error
    except (WorkerLostError, JobTimeoutError) as error:
        return crash_of(key, error)


class _Publisher:
    """Publishes experiments one after the other; holds what they share."""

    def __init__(self, settings: Settings, anew: bool) -> None:
        from its_pipeline.stores.runs import RunStore

        self._settings = settings
        self._anew = anew
        self._runs = RunStore.from_settings(settings)
        self._rejections = Rejections(settings.lake_dir)

    def publish(self, intervention: Intervention) -> Crash | None:
        """Publish one; its crash must not stop the others."""
        key = str(intervention.key)
        found = attempt(key, lambda: self._publish(key, intervention))
        return found if isinstance(found, Crash) else None

    def _publish(self, key: str, intervention: Intervention) -> Publication:
        if self._anew:
            page = page_path(self._settings, key)
            with exclusive(page.with_name(".lock")):
                # What nothing says to be up to date is drawn again.
                page.with_name(MARK_FILE).unlink(missing_ok=True)
        return publish_experiment(
            self._settings,
            key,
            self._runs,
            snapshot=Snapshot(self._settings, logged=(intervention,)),
            rejections=self._rejections,
        )


def _start(settings: Settings, anew: bool) -> Handler:
    """Load what drawing needs, and return what publishes one experiment."""
    import matplotlib.figure  # noqa: F401

    publisher = _Publisher(settings, anew)
    return lambda intervention, _: publisher.publish(intervention)
