"""What the page of an experiment without an effect says: how it stands, and what to do.

What belongs here: the words for each state. What does not: the order of the page (`page`), or why
an experiment is in a state (its reason comes with it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from its_pipeline.report.sentence import date_text

if TYPE_CHECKING:
    from its_pipeline.report.inputs import StateInput
    from its_pipeline.stores.verdict import Status


@dataclass(frozen=True)
class DayCount:
    """Observed days of one phase beside what it needs."""

    name: str
    count: int
    wanted: int

    @property
    def shown(self) -> int:
        """How far the bar goes."""
        return min(self.count, self.wanted)


def sentence(text: str) -> str:
    """Return text with a capital at its start, unless a name is there, and a stop at its end."""
    if text.split(maxsplit=1)[0].islower():
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def lead(state: StateInput) -> str:
    """Return how the experiment stands, in a sentence or two."""
    what = "change" if state.intervention.schedule is None else "intervention"
    if state.is_withdrawn:
        return "This intervention was withdrawn. It is not analysed any more."
    leads: dict[Status, str] = {
        "waiting": f"There are not enough days yet to say anything about this {what}.",
        "not_converged": (
            "The computation did not pass its own checks, so no effect is published for this "
            "experiment."
        ),
        "refused": "These data cannot be analysed as they are, so there is no result.",
        "closed": f"The days that this {what} would need are over, so there is no result.",
        "crashed": "The analysis stopped with an error, so there is no result.",
    }
    told = state.calendar.worded(leads[state.state])
    if state.state == "waiting" and state.analysable_on is not None:
        told += (
            f" If there is an observation every {state.calendar.step}, it can be analysed from "
            f"{date_text(state.analysable_on)} on."
        )
    return told


def advice(state: StateInput) -> list[str]:
    """Return what can be done about it, a sentence or two an entry."""
    if state.is_withdrawn:
        return ["Log a new intervention if you want to try it again."]
    if state.state == "waiting" and state.analysable_on is None and not state.n_pre:
        return [
            "Nothing of this outcome is known from these days yet: import its events. They are "
            "taken up by themselves."
        ]
    if state.state == "waiting":
        return [
            "Carry on as you do. It is looked at again every night and analysed when its day has "
            "come.",
            state.calendar.worded("Days without any activity do not count, so the date may move."),
        ]
    advice: dict[Status, list[str]] = {
        "not_converged": [
            "It was already computed a second time with stricter settings. Look below at what "
            "failed.",
            "A few extreme days, an outcome that hardly varies or very few days are the usual "
            "causes; more days often help.",
            "New data start a new attempt by themselves.",
        ],
        "refused": [
            "Change what the reason names: the data at their source, or the intervention in the "
            "log.",
            "After that it is looked at again in the next run.",
        ],
        "closed": [
            "As logged, no coming day makes this possible. Amend its dates, baseline or "
            "horizon, or log the intervention anew.",
            "Events that arrive late are taken up by themselves.",
        ],
        "crashed": [
            "This is a fault of the system, not of your data. Whoever runs it finds the error in "
            "the run named below.",
            "The next run tries again.",
        ],
    }
    return [state.calendar.worded(each) for each in advice[state.state]]


def day_counts(state: StateInput) -> list[DayCount]:
    """Return the days that an experiment with too few of them has and needs; else none."""
    if state.state not in ("waiting", "closed") or state.is_withdrawn:
        return []
    from its_pipeline.its.series import MINIMUM_DAYS

    counts = (("Before the start", state.n_pre), ("Since the start", state.n_post))
    if state.intervention.schedule is not None:
        counts = (("Days without it", state.n_pre), ("Days with it", state.n_post))
    return [
        DayCount(state.calendar.worded(name), n, MINIMUM_DAYS)
        for name, n in counts
        if n is not None
    ]
