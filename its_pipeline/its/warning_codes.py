"""The codes of warnings: what each weighs, and its words for a reader without statistics.

What belongs here: one entry a code, with whether it weakens or contradicts the answer. What does
not: when a warning is given and its numbers (`warnings`), or how sentences and pages are put
together (`report`). Importing this module loads the standard library alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["remark", "weakens", "contradicts"]
"""What a warning does to the answer: nothing (``remark``); it weakens it; or it speaks against it,
because another method, another date or mere drift shows something that the posterior does not know
of."""


@dataclass(frozen=True)
class WarningCode:
    """One kind of warning.

    Parameters
    ----------
    code
        Stable word, as in `AnalysisWarning.code`.
    severity
        See `Severity`.
    title
        Heading over the warning's own text.
    meaning
        What it means for the answer, in a sentence.
    reason
        The same in the few words that follow the answer; empty for a remark.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    reason: str = ""


SHORT_PHASE: Final = WarningCode(
    "short_phase",
    "weakens",
    "Few days",
    "A chance run of good or bad days weighs heavily; more days make the answer firmer.",
    "there are few days",
)
FEW_PHASES: Final = WarningCode(
    "few_phases",
    "weakens",
    "Switched only a few times",
    "Something else that happened at one of the switches can look like an effect; going back and "
    "forth once more makes the answer firmer.",
    "it was switched only a few times",
)
SHORT_PHASES: Final = WarningCode(
    "short_phases",
    "weakens",
    "Very short phases",
    "A phase of a day or two says little by itself.",
    "some phases are very short",
)
INSEPARABLE: Final = WarningCode(
    "inseparable",
    "contradicts",
    "Two interventions that cannot be told apart",
    "They acted on nearly the same days, so what one did may be the other's doing; believe only "
    "what they did together.",
    "another intervention acted on nearly the same days",
)
NOT_RANDOMISED: Final = WarningCode(
    "not_randomised",
    "remark",
    "No test by the lot",
    "The answer stands on the model alone.",
)
HEAVY_TAILS: Final = WarningCode(
    "heavy_tails",
    "weakens",
    "Days far from the rest",
    "A few unusual days can pull the answer either way.",
    "some days are far from the rest",
)
OUTLIER_DAYS: Final = WarningCode(
    "outlier_days",
    "weakens",
    "Days far from the rest",
    "A few unusual days can pull the answer either way; see whether something else happened on "
    "them.",
    "some days are far from the rest",
)
ESTIMATORS_DISAGREE: Final = WarningCode(
    "estimators_disagree",
    "contradicts",
    "A second method disagrees",
    "Which of two reasonable methods is used decides the answer, so do not rely on either.",
    "a second method disagrees",
)
PLACEBO_EFFECT: Final = WarningCode(
    "placebo_effect",
    "contradicts",
    "A change where there should be none",
    "The outcome had changed by itself before, and this change may be of the same kind.",
    "a change shows on a date when nothing was changed",
)
TIME_OF_DAY_SHIFT: Final = WarningCode(
    "time_of_day_shift",
    "weakens",
    "The time of day shifted too",
    "The effect shown leaves out whatever comes from the other time of day.",
    "the time of day shifted as well",
)
COMPARISON_CHANGED: Final = WarningCode(
    "comparison_changed",
    "weakens",
    "A comparison series changed too",
    "It was declared as not affected by the intervention, and may be; look at the effect without "
    "it as well.",
    "a comparison series changed as well",
)
COMPARISON_LEFT_OUT: Final = WarningCode(
    "comparison_left_out",
    "remark",
    "A comparison series was left out",
    "The answer takes no account of it.",
)
DAYS_WITHOUT_COMPARISON: Final = WarningCode(
    "days_without_comparison",
    "remark",
    "Days without a comparison series were left out",
    "They count as days without data: what was not measured is not made up.",
)
NEAR_NONSTATIONARY: Final = WarningCode(
    "near_nonstationary",
    "contradicts",
    "The outcome drifts",
    "It rises and falls by itself for weeks, and a drift that set in at that time would look like "
    "an effect.",
    "the outcome drifts",
)
OPPOSITE_MEANS: Final = WarningCode(
    "opposite_means",
    "contradicts",
    "The plain averages say the opposite",
    "Whether it helped or harmed depends on what is believed would have happened otherwise.",
    "the plain averages say the opposite",
)
HANGS_ON_TREND: Final = WarningCode(
    "hangs_on_trend",
    "weakens",
    "It hangs on a straight line",
    "The days do not decide whether the outcome was going up or down by itself, and the answer "
    "depends on it.",
    "it depends on whether there was a trend",
)
OTHER_DATE: Final = WarningCode(
    "other_date",
    "contradicts",
    "The change came on another date",
    "Something changed, but hardly on the day that was declared: look at what else happened then.",
    "the change came on another date",
)
FLAT_BASELINE: Final = WarningCode(
    "flat_baseline",
    "weakens",
    "The outcome hardly varied before",
    "There is little to compare with, so how sure the answer is cannot be known well.",
    "the outcome hardly varied before",
)
NO_RELATIVE_EFFECT: Final = WarningCode(
    "no_relative_effect",
    "remark",
    "No effect in percent",
    "The effect in the outcome's own unit is not touched by this.",
)
DROPPED_COVARIATE: Final = WarningCode(
    "dropped_covariate",
    "remark",
    "A covariate was left out",
    "The answer takes no account of it.",
)
OTHER_LIKELIHOOD: Final = WarningCode(
    "other_likelihood",
    "remark",
    "Another likelihood fits such numbers",
    "The answer treats them as measurements; say the likelihood where the outcome is declared, or "
    "with the question.",
)
OVER_DISPERSED: Final = WarningCode(
    "over_dispersed",
    "remark",
    "The counts vary by themselves from day to day",
    "The likelihood takes that for drift; one that lets single days vary tells more.",
)
MANY_ZEROS: Final = WarningCode(
    "many_zeros",
    "weakens",
    "More days without any event than expected",
    "If nothing could happen on some days, leave them out or say how much could.",
    "there are more days without any event than expected",
)

WARNING_CODES: Final[Mapping[str, WarningCode]] = MappingProxyType(
    {
        each.code: each
        for each in (
            SHORT_PHASE,
            FEW_PHASES,
            SHORT_PHASES,
            INSEPARABLE,
            NOT_RANDOMISED,
            HEAVY_TAILS,
            OUTLIER_DAYS,
            ESTIMATORS_DISAGREE,
            PLACEBO_EFFECT,
            TIME_OF_DAY_SHIFT,
            COMPARISON_CHANGED,
            COMPARISON_LEFT_OUT,
            DAYS_WITHOUT_COMPARISON,
            NEAR_NONSTATIONARY,
            OPPOSITE_MEANS,
            HANGS_ON_TREND,
            OTHER_DATE,
            FLAT_BASELINE,
            NO_RELATIVE_EFFECT,
            DROPPED_COVARIATE,
            OTHER_LIKELIHOOD,
            OVER_DISPERSED,
            MANY_ZEROS,
        )
    }
)
"""Every code that an analysis of this version gives."""


def warning_code(code: str) -> WarningCode:
    """Return what a code means.

    One that is not known here, in an analysis stored by another version, weakens the answer; its
    title is the code itself, and it explains nothing.
    """
    known = WARNING_CODES.get(code)
    if known is not None:
        return known
    title = code.replace("_", " ").capitalize()
    return WarningCode(code, "weakens", title, "", "another one below")
