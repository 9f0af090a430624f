"""``its-pipeline peers``: the independent witness, on command.

What belongs here: asking for a peer audit and printing what came of it. What does not: the audit
(`experiments.peer_audit`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from its_pipeline.cli.support import fail, number, plain_errors, print_table


@plain_errors
def peers(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Experiments (user_id|intervention_id); default: drawn by lot."),
    ] = None,
) -> None:
    """Fit a few analyses again with PyMC through CausalPy, and say whether they agree.

    Of one change that is alone in its model: what was on and off again cannot be fitted so.
    """
    from datetime import UTC, datetime

    from its_pipeline.experiments.peer_audit import audit_by_peers
    from its_pipeline.settings import get_settings

    typer.echo("fitting with PyMC; minutes an analysis")
    audit = audit_by_peers(get_settings(), datetime.now(UTC), keys or None)
    rows = [
        (
            each.key,
            each.estimand,
            f"{number(each.mean)} ± {number(each.sd)}",
            f"{number(each.peer_mean)} ± {number(each.peer_sd)}",
            f"{each.r_hat:.3f}",
            "yes" if each.agrees else "no",
        )
        for each in audit.answers
    ]
    print_table("Peers", ("experiment", "estimand", "ours", "PyMC", "R-hat", "agrees"), rows)
    if not audit.answers:
        typer.echo("no published analysis is of a kind that PyMC can fit again")
    if audit.disagreeing:
        fail(f"{len(audit.disagreeing)} of {len(audit.answers)} answers differ", code=1)
