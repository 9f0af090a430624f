"""The front page of a store of very many experiments: how many stand how, and what failed.

Here belong the order of the page and its wording. A list of 100,000 lines on one page is of no use
to anybody: one experiment is found by its person, on the server, and all of them in the evidence
table. Counting belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from its_pipeline.events.keys import shown_id
from its_pipeline.report.cent import cent_caveat, cent_citation, cent_scope
from its_pipeline.report.cent_compliance import CentCount
from its_pipeline.report.html import own_direction, render_page, safe_href
from its_pipeline.report.inputs import STATUS_LABELS
from its_pipeline.report.kind_page import KindLine, kind_lines
from its_pipeline.report.kinds import KindRow
from its_pipeline.stores.verdict import STATUSES, Status

#: Statuses of what somebody has to look at, and most of those that are listed.
PROBLEMS: Final = ("crashed", "not_converged")
MOST_PROBLEMS: Final = 50
#: What the looks at an analysed experiment come to (`its.decisions.standing.Standing.kind`).
_STANDINGS: Final[Mapping[str, str]] = {
    "helped": "helped",
    "made_worse": "made it worse",
    "too_small": "changed too little to matter",
    "undecided": "ended undecided",
    "so_far": "are still open",
}


@dataclass(frozen=True)
class Problem:
    """One experiment that somebody has to look at."""

    user_id: str
    intervention_id: str
    status: Status
    reason: str


@dataclass(frozen=True)
class Overview:
    """All experiments, counted.

    Attributes
    ----------
    states
        Status to number of experiments.
    standings
        Of the analysed: what their looks come to, to number.
    problems
        The first of those that crashed or did not converge.
    cent, cent_experiments
        How often each item of the CENT checklist has which status, and of how many experiments.
    """

    states: Mapping[str, int]
    standings: Mapping[str, int]
    problems: tuple[Problem, ...]
    cent: tuple[CentCount, ...] = ()
    cent_experiments: int = 0


@dataclass(frozen=True)
class ProblemLine:
    """One line of the list of problems as text."""

    person: str
    intervention: str
    verdict: str
    reason: str
    href: str | None


@dataclass(frozen=True)
class OverviewView:
    """What the template shows."""

    n_all: str
    counts: tuple[tuple[str, str], ...]
    standings: tuple[tuple[str, str], ...]
    problems: tuple[ProblemLine, ...]
    n_problems: str
    server: str | None
    trust_href: str | None
    nobodys: int
    kinds: tuple[KindLine, ...]
    cent: tuple[CentCount, ...]
    cent_experiments: int
    cent_scope: str
    cent_citation: str


def render_overview(
    overview: Overview,
    *,
    server_url: str | None = None,
    trust_href: str | None = None,
    nobodys_events: int = 0,
    kinds: Sequence[KindRow] = (),
) -> str:
    """Return the front page as one self-contained HTML page.

    Parameters
    ----------
    overview
        What was counted.
    server_url
        Address of the server that draws pages and finds people, or None.
    trust_href, nobodys_events, kinds
        As of `index.render_index`.
    """
    server = safe_href(server_url.rstrip("/")) if server_url else None
    states, standings = overview.states, overview.standings
    view = OverviewView(
        n_all=f"{sum(states.values()):,}",
        counts=tuple((STATUS_LABELS[each], f"{states.get(each, 0):,}") for each in STATUSES),
        standings=tuple(
            (words, f"{standings[kind]:,}")
            for kind, words in _STANDINGS.items()
            if standings.get(kind)
        ),
        problems=tuple(_line(each, server) for each in overview.problems[:MOST_PROBLEMS]),
        n_problems=f"{sum(states.get(each, 0) for each in PROBLEMS):,}",
        server=server,
        trust_href=safe_href(trust_href),
        nobodys=nobodys_events,
        kinds=kind_lines(kinds),
        cent=overview.cent,
        cent_experiments=overview.cent_experiments,
        cent_scope=cent_scope(),
        cent_citation=f"{cent_citation()} {cent_caveat()}",
    )
    return render_page("overview.html", view)


def _line(problem: Problem, server: str | None) -> ProblemLine:
    path = f"people/{problem.user_id}/experiments/{problem.intervention_id}"
    return ProblemLine(
        person=shown_id(problem.user_id),
        intervention=shown_id(problem.intervention_id),
        verdict=STATUS_LABELS[problem.status],
        reason=own_direction(problem.reason[:300]),
        href=safe_href(f"{server}/{path}") if server else None,
    )
