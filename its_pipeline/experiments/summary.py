"""A verdict's numbers in one flat row, for tables.

What belongs here: which numbers a table over experiments has. What does not: deciding a verdict
(`service`), or collecting them (`evidence`).
"""

from __future__ import annotations

from typing import Any

from its_pipeline.its.estimand_names import ESTIMANDS
from its_pipeline.stores.verdict import Verdict


def summary(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict's numbers in one flat row, for tables; absent ones are None."""
    from its_pipeline.its.inference.diagnostics import GATE

    nested = {"warnings", "cuts", "effects", "diagnostics", "standing"}
    row = {name: value for name, value in verdict.to_dict().items() if name not in nested}
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
