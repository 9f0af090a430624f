"""How an experiment may be looked at while it goes on: the plans of looking by name.

What belongs here: the names that a person may declare. What does not: what a plan lets a look say
(`its.decisions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DAILY: Final = "daily"
ALWAYS_VALID: Final = "always_valid"
LOOK_PLANS: Mapping[str, str] = MappingProxyType(
    {
        DAILY: "obrien_fleming",
        "pocock": "pocock",
        "hwang_shih_decani": "hwang_shih_decani",
        "haybittle_peto": "haybittle_peto",
        "at_end": "at_end",
        ALWAYS_VALID: "",
    }
)
"""Plans of looking by name, with how each spends its error (`its.decisions.boundaries.SPENDING`).
All look whenever a day has come: "daily" spends late, "pocock" evenly, the next two in between;
"at_end" says nothing before the horizon, and "always_valid" has no horizon."""
