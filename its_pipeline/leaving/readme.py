"""The README.txt of a download: what each file of it is, for the person whose it is.

What belongs here: words. What does not: the files (`take_along`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

#: What each file is, in the order in which they are told.
FILES: Final[Mapping[str, str]] = {
    "daily_outcomes.csv": "Your days: one row a local day and outcome. value is in the outcome's "
    "unit, n_events says how many events are behind it, share_* which share of them came at which "
    "time of the day. These are the numbers that everything was computed from.",
    "events.csv": "Your raw events, every value as it was delivered; times are UTC.",
    "rejected_events.csv": "Those of your events that were not used: rule says which rule of the "
    "data contract each broke, column and value where.",
    "interventions.csv": "What you tried: every version of every intervention, with when and why "
    "it was written. Fields with several parts are JSON.",
    "interventions.json": "The same as JSON.",
    "plans.json": "How each experiment stands: its window of days, how many were observed, how "
    "many an effect needs, when it can be analysed.",
    "looks.csv": "Every look that was taken at a running experiment: what was seen, how much would "
    "have been needed, and what was said.",
    "results.json": "What every stored analysis came to: verdict, effects with their intervals, "
    "diagnostics, warnings; is_newest marks the one that stands, posterior names its draws.",
    "kinds.json": "What people who tried the same as you came to together, with your own row: your "
    "effect by your days alone (own_mean, own_sd), and given all the others.",
    "traits.csv": "Traits of yours that were declared, by which people who tried the same are "
    "compared; yes is 1 and no is 0.",
    "history.json": "What the run store (MLflow) remembers of every analysis, older ones whose "
    "files are not kept any more among them.",
    "reports/": "The pages that you saw, one file each with its pictures inside; open them in any "
    "browser.",
    "posteriors/": "The posterior of each analysis as NetCDF, for ArviZ: "
    'arviz.from_netcdf("posteriors/.../....nc").',
}
_WIDTH: Final = 96


def readme_text(user_id: str, made_at: datetime, counts: Mapping[str, int]) -> str:
    """Return the text.

    Parameters
    ----------
    user_id
        The person.
    made_at
        UTC instant.
    counts
        Of each file of `FILES`, how many rows or entries it has.
    """
    import textwrap

    lines = [
        f"Everything that is kept of {user_id}, as of {made_at:%Y-%m-%d %H:%M} UTC.",
        "",
        "Tables are CSV in UTF-8 with a line of headings. What was imported or recorded after the "
        "last run of the pipeline is not in them yet.",
        "",
    ]
    for name, text in FILES.items():
        lines += [
            f"{name} ({counts[name]})",
            textwrap.indent(textwrap.fill(text, _WIDTH), "  "),
            "",
        ]
    lines.append(
        "The number behind a name says how many rows or entries there are; 0: there is nothing."
    )
    return "\n".join(lines) + "\n"
