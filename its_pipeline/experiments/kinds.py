"""Who belongs to a kind: people who tried the same change on the same outcome.

What belongs here: the rules of membership, and how each person stands. What does not: pooling what
they came to (`pooling`), or where it is kept (`stores.pooled_store`).

A kind is `Intervention.kind` (the intervention's identifier where it says none) on one outcome
metric. An intervention counts from its first day on, unless it was withdrawn: taken back, it was
never tried. A person is one member. Who tried the same several times is there with the newest try
that has an estimate; where none has, the newest try says why.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.tries import Try
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import open_store
from its_pipeline.settings import Settings
from its_pipeline.stores.outlines import Outline, read_outlines
from its_pipeline.stores.pooled_store import needed_people


class KindKey(NamedTuple):
    """Which kind: its name and the outcome metric."""

    kind: str
    metric: str

    def __str__(self) -> str:
        return f"{self.kind}{SEPARATOR}{self.metric}"

    @classmethod
    def parse(cls, text: str) -> KindKey:
        """Read what `str` gives.

        Raises
        ------
        ValueError
            It has not two parts.
        """
        kind, separator, metric = text.partition(SEPARATOR)
        if not (kind and separator and metric) or SEPARATOR in metric:
            raise ValueError(f"a kind should be named KIND{SEPARATOR}METRIC but got {text!r}")
        return cls(kind, metric)


@dataclass(frozen=True)
class Membership:
    """How the people of one kind stand.

    Attributes
    ----------
    key
        The kind.
    estimated
        Intervention and newest verdict, as far as pools need them, of everybody whose verdict has
        effects, by `user_id`.
    without
        How many have none, by reason; reasons of nobody are not there.
    """

    key: KindKey
    estimated: Mapping[str, tuple[Try, Outline]] = field(default_factory=dict)
    without: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_people(self) -> int:
        """How many people tried it."""
        return len(self.estimated) + sum(self.without.values())


def tried(snapshot: Snapshot) -> dict[KindKey, dict[str, list[Try]]]:
    """Return who tried what: of each kind of enough people, each one's interventions.

    Kinds of fewer people than `stores.pooled_store.needed_people` are not there: nothing is told
    of them, and most interventions are the only one of their name. Nor are those of metrics that
    are not registered.

    Parameters
    ----------
    snapshot
        What is known now.
    """
    today_on = snapshot.settings.utc_today()
    found: defaultdict[KindKey, defaultdict[str, list[Try]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for each in snapshot.tries:
        if each.started_on <= today_on:
            found[KindKey(each.pooled_as, each.outcome_metric)][each.user_id].append(each)
    needed = needed_people(snapshot.settings)
    return {
        key: dict(found[key])
        for key in sorted(found)
        if len(found[key]) >= needed and key.metric in snapshot.metrics
    }


def read_verdicts(
    settings: Settings, found: Iterable[Mapping[str, Iterable[Try]]], *, remember: bool = False
) -> dict[str, Outline]:
    """Return the newest verdicts of people's interventions, by experiment.

    Parameters
    ----------
    settings
        The installation.
    found
        People of kinds, from `tried`.
    remember
        Whether what was read is written down for the next time; the lock of the kinds is held.
    """
    keys = [each.key for people in found for tries in people.values() for each in tries]
    return read_outlines(open_store(settings), keys, settings.pooled_dir, remember=remember)


def members_of(
    key: KindKey, people: Mapping[str, Iterable[Try]], verdicts: Mapping[str, Outline]
) -> Membership:
    """Return how the people of a kind stand, by their newest verdicts.

    Parameters
    ----------
    key
        The kind.
    people
        Each one's interventions of it, from `tried`.
    verdicts
        From `read_verdicts`.
    """
    estimated: dict[str, tuple[Try, Outline]] = {}
    without: Counter[str] = Counter()
    for user_id in sorted(people):
        newest_first = sorted(
            people[user_id], key=lambda each: (each.started_on, each.intervention_id), reverse=True
        )
        told = [_verdict(verdicts, each) for each in newest_first]
        analysed = [
            (each, verdict)
            for each, verdict in zip(newest_first, told, strict=True)
            if verdict is not None and verdict.status == "analysed"
        ]
        if analysed:
            estimated[user_id] = analysed[0]
        else:
            without[why_without(told[0])] += 1
    return Membership(key, estimated, dict(sorted(without.items())))


def _verdict(verdicts: Mapping[str, Outline], tried: Try) -> Outline | None:
    """Return the newest verdict, if it is of the outcome that the intervention is about now."""
    verdict = verdicts.get(tried.key)
    if verdict is None or verdict.outcome_metric != tried.outcome_metric:
        return None
    return verdict


def why_without(verdict: Outline | None) -> str:
    """Return why an experiment has no estimate: one of `stores.pooled_results.WITHOUT_ESTIMATE`.

    What was not evaluated yet, or crashed and is tried again, is waiting. One that was closed ended
    before it had enough days; unless it never had a baseline, which refuses it.

    Parameters
    ----------
    verdict
        Its newest, of a status other than "analysed"; None where there is none.
    """
    if verdict is None or verdict.status in ("waiting", "crashed"):
        return "waiting"
    if verdict.status == "not_converged":
        return "not converged"
    if verdict.status == "refused" or verdict.reason_code == "too_few_pre_days":
        return "refused"
    # Withdrawn and open again: the next evaluation says how it stands.
    return "waiting" if verdict.reason_code == "withdrawn" else "stopped early"
