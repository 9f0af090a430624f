"""``its-pipeline audit``: tries this store's own intervals on days without any change.

What belongs here: the option and the table. What does not: measuring (`experiments.audit`), or the
job that does it (`defs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from its_pipeline.cli.support import fail, plain_errors, print_table, progress_shown

if TYPE_CHECKING:
    from its_pipeline.stores.placebo_audit import IntervalFactor, Measured


@plain_errors
def audit(
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt",
            help="Put the measured factors in force, due or not; the experiments of those outcomes "
            "are then analysed anew by the next run.",
        ),
    ] = False,
) -> None:
    """Try the intervals on days without any change, and widen those that are too narrow."""
    from its_pipeline.defs.local import local_runner
    from its_pipeline.defs.names import PURPOSE_MANUAL
    from its_pipeline.experiments.trust import judged_rows
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.placebo_audit import AuditStore

    settings = get_settings()
    with local_runner(settings, PURPOSE_MANUAL) as runner, progress_shown():
        done = runner.audit(adopt=adopt)
    if not done.success:
        fail(f"audit_intervals failed (run {done.run_id}): {done.message}", code=1)
    store = AuditStore(settings)
    measured, factors = store.read(), store.factors()
    rows = measured.rows if measured is not None else ()
    columns = ("metric", "days", "intervals", "people", "windows", "hold 0", "helped", "worse")
    print_table(
        "Days without any change",
        columns,
        [_row(row) for row in rows],
        "95 % should hold 0; at most 5 % say helped, and worse (standard errors: people)",
    )
    _say_verdicts(judged_rows(measured, factors))
    needed = measured.needed if measured is not None else {}
    if factors or needed:
        print_table(
            "Factors",
            ("metric", "in force", "version", "since", "measured now"),
            [
                _factor(name, factors.get(name), needed.get(name))
                for name in sorted(factors.keys() | needed.keys())
            ],
        )
    if done.numbers.get("factors_adopted"):
        typer.echo("new factors are in force: `its-pipeline run` analyses their experiments anew")
    typer.echo(f"page: {settings.reports_dir / 'trust.html'}")


def _say_verdicts(rows: list[Measured]) -> None:
    from its_pipeline.experiments.audit_numbers import verdict_of

    if not rows:
        typer.echo("too few people to tell: nobody has a stretch of days that is long enough")
    for row in rows:
        typer.echo(f"{row.metric}: {verdict_of(row)[1]}")


def _row(row: Measured) -> tuple[str, ...]:
    return (
        row.metric,
        "all" if row.n_days is None else str(row.n_days),
        "as computed" if row.factor == 1.0 else f"x {row.factor:.2f}",
        str(row.people),
        str(row.windows),
        f"{row.coverage:.3f} ({row.coverage_se:.3f})",
        f"{row.helped:.3f} ({row.helped_se:.3f})",
        f"{row.worse:.3f} ({row.worse_se:.3f})",
    )


def _factor(metric: str, known: IntervalFactor | None, needed: float | None) -> tuple[str, ...]:
    now = "too few" if needed is None else f"{needed:.2f}"
    if known is None:
        return metric, "1.00", "", "", now
    return metric, f"{known.factor:.2f}", str(known.version), known.adopted_at[:10], now
