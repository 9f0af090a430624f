"""The work of a chunk: from its people and what all share to rows of results.

What belongs here: a pure function. It reads no store, no database, no environment and no clock, and
writes nothing, so that its answer is the same bytes wherever it is computed. What does not: where
it is computed (`shard_engines`), or what becomes of its answer (`shard_runs`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.deciding import (
    analysed,
    crashed,
    is_drawn,
    not_ready,
    still_true,
    tables_beside,
    who,
)
from its_pipeline.experiments.evaluate import Crash, attempt
from its_pipeline.experiments.looking import (
    due_look,
    question_of,
    seen_by_next_look,
    with_standing_of,
)
from its_pipeline.experiments.shard_input import LOOKS, known_of
from its_pipeline.experiments.shard_preparer import ChunkPreparer
from its_pipeline.experiments.shard_shared import SharedInput
from its_pipeline.schedules.cadence import Cadence
from its_pipeline.stores.look_log import NextLook, TakenLooks
from its_pipeline.stores.result_rows import STANDING, ResultRow, compact_json
from its_pipeline.stores.verdict import RunContext, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from its_pipeline.experiments.prepared import Prepared
    from its_pipeline.its import Analysis


@dataclass(frozen=True)
class ChunkSettings:
    """What a chunk is evaluated with besides its people; crosses machines.

    Attributes
    ----------
    shared
        What all share, see `SharedInput.to_json`.
    run
        Which run asks; its partition is told for each experiment.
    select
        ``stale``: what still holds is passed over. ``all``: every verdict is given again.
    keys
        Only these experiments; None: all.
    """

    shared: str
    run: RunContext = field(default_factory=RunContext)
    select: str = "stale"
    keys: frozenset[str] | None = None


@dataclass(frozen=True)
class ChunkResult:
    """What a chunk came to.

    Attributes
    ----------
    rows
        Verdicts and analyses.
    looks
        The looks to take; where one cannot be, the rows of its experiment do not count.
    counts
        Experiments by what became of them: a verdict's status, or ``unchanged``.
    problems
        Key to reason, of what crashed or did not converge.
    crashes
        What crashed, with its traceback.
    computed
        Keys of what was analysed.
    people
        How many people it is about.
    """

    rows: tuple[ResultRow, ...]
    looks: tuple[NextLook, ...]
    counts: Mapping[str, int]
    problems: Mapping[str, str]
    crashes: tuple[Crash, ...]
    computed: tuple[str, ...]
    people: int


@dataclass(frozen=True)
class _Answer:
    """What one experiment came to; no rows where its verdict stands."""

    status: str
    rows: tuple[ResultRow, ...] = ()
    look: NextLook | None = None
    computed: bool = False
    problem: str = ""


def evaluate_chunk(people: pa.Table, settings: ChunkSettings) -> ChunkResult:
    """Evaluate the experiments of a chunk.

    Parameters
    ----------
    people
        Rows of `shard_input.PEOPLE_SCHEMA` with their looks, see `shard_input.LOOKS`.
    settings
        What they are evaluated with.

    Returns
    -------
    ChunkResult
        One experiment's crash is in it, and the others go on.

    Raises
    ------
    OSError
        Of the machine and not of an experiment (`files.damage.MACHINE_ERRORS`).
    """
    preparer = ChunkPreparer(people, SharedInput.of_json(settings.shared))
    rows: list[ResultRow] = []
    looks: list[NextLook] = []
    counts: Counter[str] = Counter()
    problems: dict[str, str] = {}
    crashes: list[Crash] = []
    computed: list[str] = []
    for person in preparer.people:
        known = known_of(person)
        taken = TakenLooks.of_json(person["user_id"], person[LOOKS.name])
        for intervention in preparer.interventions[person["user_id"]]:
            key = str(intervention.key)
            if settings.keys is not None and key not in settings.keys:
                continue
            run = replace(settings.run, dagster_partition=key)
            verdict = Verdict.from_dict(known[key]) if key in known else None
            work = _Work(preparer, intervention, verdict, taken, run, person["digest"])
            answer = work.done(again=settings.select == "all")
            if isinstance(answer, Crash):
                crashes.append(answer)
                answer = work.given_up(answer)
            if answer.problem:
                problems[key] = answer.problem
            counts[answer.status] += 1
            rows += answer.rows
            looks += [] if answer.look is None else [answer.look]
            computed += [key] if answer.computed else []
    return ChunkResult(
        rows=tuple(rows),
        looks=tuple(looks),
        counts=dict(counts),
        problems=problems,
        crashes=tuple(crashes),
        computed=tuple(computed),
        people=people.num_rows,
    )


def given_up(people: pa.Table, settings: ChunkSettings, reason: str) -> ChunkResult:
    """Return the answer of people whose evaluation ends the process that does it.

    Parameters
    ----------
    people, settings
        As of `evaluate_chunk`.
    reason
        Why there is no other answer.
    """
    preparer = ChunkPreparer(people, SharedInput.of_json(settings.shared))
    rows: list[ResultRow] = []
    crashes: list[Crash] = []
    for person in preparer.people:
        for intervention in preparer.interventions[person["user_id"]]:
            key = str(intervention.key)
            if settings.keys is None or key in settings.keys:
                run = replace(settings.run, dagster_partition=key)
                work = _Work(preparer, intervention, None, TakenLooks({}), run, person["digest"])
                crashes.append(Crash(key, reason, reason))
                rows += work.given_up(crashes[-1]).rows
    problems = {crash.key: crash.reason for crash in crashes}
    return ChunkResult(
        rows=tuple(rows),
        looks=(),
        counts={"crashed": len(crashes)},
        problems=problems,
        crashes=tuple(crashes),
        computed=(),
        people=people.num_rows,
    )


@dataclass
class _Work:
    """One experiment, and what its verdict is made of."""

    preparer: ChunkPreparer
    intervention: Intervention
    known: Verdict | None
    taken: TakenLooks
    run: RunContext
    digest: str

    @property
    def decided_at(self) -> str:
        return self.preparer.shared.decided_at

    @property
    def key(self) -> str:
        return str(self.intervention.key)

    def done(self, *, again: bool) -> _Answer | Crash:
        """Evaluate it; with `again` although its verdict stands."""
        return attempt(self.key, lambda: self._answer(again=again))

    def given_up(self, crash: Crash) -> _Answer:
        """Return the verdict that says that it crashed; none where it cannot even be prepared."""
        prepared = attempt(self.key, lambda: self._prepared)
        if isinstance(prepared, Crash):
            return _Answer("crashed", problem=crash.reason)
        verdict = crashed(prepared, crash.reason, self.run, self.decided_at)
        return _Answer("crashed", (self._standing_row(prepared, verdict),), problem=crash.reason)

    @cached_property
    def _prepared(self) -> Prepared:
        return self.preparer.prepare_intervention(self.intervention)

    def _answer(self, *, again: bool) -> _Answer:
        prepared, known = self._prepared, self.known
        if not again and known is not None and still_true(prepared, known):
            return _Answer("unchanged")
        if prepared.plan.state != "ready":
            verdict = not_ready(prepared, self.run, self.decided_at)
            return _Answer(verdict.status, (self._standing_row(prepared, verdict),))
        fingerprint = prepared.fingerprint
        if fingerprint is None:
            raise ValueError(f"a ready experiment should have a fingerprint: {self.key}")
        is_known = (
            known is not None
            and known.fingerprint == fingerprint
            and known.status in ("analysed", "not_converged")
        )
        analysis = None
        if known is not None and is_known:
            # The numbers are the stored ones; names and versions may have been amended since.
            verdict = replace(known, **who(prepared))
        else:
            verdict, analysis = self._analysed(prepared, fingerprint)
        rows: list[ResultRow] = []
        if analysis is not None and not is_known:
            rows.append(self._analysis_row(prepared, verdict, analysis))
        look = None
        if verdict.status == "analysed":
            verdict, look = self._looked_at(prepared, verdict, analysis)
        rows.append(self._standing_row(prepared, verdict))
        return _Answer(
            verdict.status,
            tuple(rows),
            look,
            computed=analysis is not None and not is_known,
            problem=verdict.reason if verdict.status == "not_converged" else "",
        )

    def _analysed(self, prepared: Prepared, fingerprint: str) -> tuple[Verdict, Analysis | None]:
        audited = is_drawn(fingerprint, self.preparer.shared.audit_share)
        return analysed(prepared, self.run, self.decided_at, audited=audited)

    def _looked_at(
        self, prepared: Prepared, verdict: Verdict, analysis: Analysis | None
    ) -> tuple[Verdict, NextLook | None]:
        """Return the verdict with what the looks come to, and the look that is due."""
        from its_pipeline.its.decisions.looks import next_look

        question = question_of(self.intervention)
        looks = self.taken.at(question)
        found = None
        if due_look(prepared, looks) is not None:
            if analysis is None:
                _, analysis = self._analysed(prepared, verdict.fingerprint or "")
            seen = None if analysis is None else seen_by_next_look(prepared, analysis, looks)
            look = (
                None
                if seen is None
                else next_look(looks, seen, self.taken.spent_elsewhere(question))
            )
            if look is not None:
                looks = [*looks, look]
                found = NextLook(question, look, self.taken.number_of(question))
        return with_standing_of(looks, prepared, verdict), found

    def _analysis_row(self, prepared: Prepared, verdict: Verdict, analysis: Analysis) -> ResultRow:
        from its_pipeline.its.packing import packed

        # How long it took is no part of the answer.
        stored = replace(analysis, timing={}).stored()
        return ResultRow(
            key=self.key,
            user_id=self.intervention.user_id,
            fingerprint=verdict.fingerprint or "",
            decided_at=verdict.decided_at,
            verdict=compact_json(verdict.to_dict()),
            analysis=packed(stored, tables_beside(prepared)),
        )

    def _standing_row(self, prepared: Prepared, verdict: Verdict) -> ResultRow:
        is_of_analysis = verdict.fingerprint is not None and verdict.diagnostics is not None
        return ResultRow(
            key=self.key,
            user_id=self.intervention.user_id,
            fingerprint=STANDING,
            decided_at=verdict.decided_at,
            verdict=compact_json(verdict.to_dict()),
            # What crashed is tried again.
            input_digest=None if verdict.status == "crashed" else self.digest,
            holds_on=self._holds_on(prepared, verdict),
            of_analysis=verdict.fingerprint if is_of_analysis else None,
        )

    def _holds_on(self, prepared: Prepared, verdict: Verdict) -> str:
        is_over = prepared.plan.window.is_final and verdict.status != "waiting"
        if is_over and not Cadence.of(prepared.plan.cadence).is_sessions:
            return ""
        return self.preparer.shared.last_complete_day(self.intervention.time_zone).isoformat()
