"""A verdict's numbers in one flat row, for tables.

What belongs here: which numbers a table over experiments has. What does not: deciding a verdict
(`service`), or collecting them (`evidence`).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from its_pipeline.its.estimand_names import ESTIMANDS
from its_pipeline.stores.verdict import Verdict

_NESTED: Final = frozenset({"warnings", "cuts", "effects", "diagnostics", "standing"})
_PLAIN: Final = tuple(each.name for each in fields(Verdict) if each.name not in _NESTED)


def summary(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict's numbers in one flat row, for tables; absent ones are None."""
    from its_pipeline.its.inference.diagnostics import GATE

    row = {name: getattr(verdict, name) for name in _PLAIN}
    told = verdict.standing or {}
    row["standing"] = told.get("kind")
    row["information_share"] = told.get("information_share")
    row["n_looks"] = told.get("n_looks")
    for estimand in ESTIMANDS:
        effect = (verdict.effects or {}).get(estimand.name)
        for number in ("mean", "sd", "ci_lower", "ci_upper", "probability_positive"):
            row[f"{estimand.name}_{number}"] = effect[number] if effect else None
    diagnostics = verdict.diagnostics or {}
    for number in ("converged", *(criterion.figure for criterion in GATE)):
        row[number] = diagnostics.get(number)
    row["warning_codes"] = ",".join(str(warning["code"]) for warning in verdict.warnings)
    return row
