"""What comparison series give reason to warn of: one that changed with the intervention.

What belongs here: when it counts, and the words. What does not: computing it
(`sensitivity.comparisons`), or which days and series a store left out (`experiments.comparisons`).
"""

from __future__ import annotations

from its_pipeline.its import warning_codes
from its_pipeline.its.comparison_results import Comparisons
from its_pipeline.its.results import AnalysisWarning
from its_pipeline.its.warnings import CONFIDENT_P, warning


def warnings_of_comparisons(found: Comparisons | None) -> tuple[AnalysisWarning, ...]:
    """Return a warning of each comparison series that changed with the intervention.

    It has where its change is as sure as an answer has to be: of ten that did not change about one
    is warned of, so the words leave it to the reader what changed it.
    """
    if found is None:
        return ()
    without = found.without
    told = []
    for each in found.series:
        if each.probability_of_change <= CONFIDENT_P:
            continue
        change = each.change
        text = (
            f"The comparison series {each.name!r} itself changed with the intervention, by "
            f"{change.mean:.3g} [{change.ci_lower:.3g}, {change.ci_upper:.3g}]. If the "
            "intervention did that, the claim that it is not affected does not hold, and part of "
            "the effect was taken for the series' doing, or the other way round; if something else "
            "moved both, adjusting is right. Without any comparison series the effect is "
            f"{without.mean:.3g} [{without.ci_lower:.3g}, {without.ci_upper:.3g}]."
        )
        numbers = {
            "change_mean": change.mean,
            "change_ci_lower": change.ci_lower,
            "change_ci_upper": change.ci_upper,
            "change_probability_positive": change.probability_positive,
            "without_mean": without.mean,
            "without_ci_lower": without.ci_lower,
            "without_ci_upper": without.ci_upper,
        }
        told.append(warning(warning_codes.COMPARISON_CHANGED, text, numbers))
    return tuple(told)
