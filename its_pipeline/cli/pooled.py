"""``its-pipeline pooled``: what people who tried the same came to.

What belongs here: options, sentences and tables. What does not: who is in a kind and making it
(`experiments.kinds`, `experiments.pooling`), or the job that does it (`defs`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from its_pipeline.cli.support import fail, interval_text, number, plain_errors, print_table
from its_pipeline.events.keys import shown_id

if TYPE_CHECKING:
    from its_pipeline.stores.pooled_results import KindRecord, PooledResult


@plain_errors
def pooled(
    kind: Annotated[
        str | None,
        typer.Argument(help="The kind (an intervention's kind, else its id); default: all."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Only on this outcome metric.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of words.")] = False,
) -> None:
    """Show what people who tried the same came to: on average, how they differ, who comes next."""
    from its_pipeline.events.forgotten import Forgotten
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.pooled_results import PooledResult, to_dict
    from its_pipeline.stores.pooled_store import PooledStore

    settings = get_settings()
    forgotten = Forgotten(settings.store_root)
    found = [
        record.with_rows_of(lambda user: user not in forgotten)
        if isinstance(record, PooledResult)
        else record
        for record in PooledStore(settings).all()
        if kind in (None, record.kind) and metric in (None, record.metric)
    ]
    if not found and (kind or metric):
        fail(
            f"nothing is kept of kind {kind or 'any'!r} on metric {metric or 'any'!r}: fewer than "
            f"{settings.pooled_min_people} people have tried it, or `its-pipeline run` has not "
            "seen them yet; `its-pipeline pooled` lists the kinds that there are"
        )
    if as_json:
        typer.echo(json.dumps([to_dict(record) for record in found], indent=1))
    elif kind is None:
        print_table(
            "People who tried the same",
            ("kind", "metric", "people", "with estimate", "average effect", "next person benefits"),
            [_row(record) for record in found],
        )
    else:
        for record in found:
            _say(record)


def _row(record: KindRecord) -> tuple[str, ...]:
    from its_pipeline.stores.pooled_results import PooledResult

    counts = (record.kind, record.metric, str(record.n_people), str(record.n_with_estimate))
    if not isinstance(record, PooledResult):
        return *counts, "too few people", ""
    told = f"{interval_text(vars(record.mean))} {record.unit}".rstrip()
    return *counts, told, _percent(record.probability_next_benefits)


def _say(record: KindRecord) -> None:
    from its_pipeline.stores.pooled_results import PooledResult

    typer.echo(f"{record.kind} on {record.metric}: {record.n_people} people have tried it")
    if not isinstance(record, PooledResult):
        typer.echo(
            f"{record.n_with_estimate} of them have an estimate, and {record.needed} are needed: "
            f"nothing is told of fewer. {_without(record)}"
        )
        return
    from its_pipeline.report.sentence import unit_text

    unit = f" {record.unit}" if record.unit else ""
    benefit = ""
    if record.minimum_effect:
        least = f"{record.minimum_effect:g}"
        benefit = f"by at least {least} {unit_text(least, record.unit)}".rstrip() + " "
    typer.echo(
        f"On average it changed the outcome by {interval_text(vars(record.mean))}{unit}; that it "
        f"helps people {benefit}on average has a probability of "
        f"{_percent(record.probability_helps_people)}."
    )
    spread = record.spread
    typer.echo(
        f"People differ: their effects scatter about that average with an sd of "
        f"{number(spread.mean)} ({number(spread.ci_lower)} to {number(spread.ci_upper)}){unit}."
    )
    after = record.next_person
    typer.echo(
        f"A next person may expect {interval_text(vars(after))}{unit}, and benefits {benefit}with "
        f"a probability of {_percent(record.probability_next_benefits)}."
    )
    typer.echo(_without(record))
    imputed, heavy = record.imputed, record.heavy_tailed
    if imputed is not None:
        typer.echo(
            "If it did nothing for those without one, the average would be "
            f"{interval_text(vars(imputed.mean))}{unit}, and a next person benefits with a "
            f"probability of {_percent(imputed.probability_next_benefits)}."
        )
    if heavy is not None:
        typer.echo(
            "If somebody who lies far off counts for less, it is "
            f"{interval_text(vars(heavy.mean))}{unit}."
        )
    for sentence in _beside(record):
        typer.echo(sentence)
    print_table(
        f"Members, effects in {record.unit or 'the unit of the outcome'}",
        ("person", "intervention", "from", "days", "own days say", "given all others", "benefit",
         "average without", "weight"),
        _members(record),
        "average without: how far it moves without them, in its sds; weight: below 1 where they "
        "lie apart",
    )  # fmt: skip


def _beside(record: PooledResult) -> list[str]:
    """Return whom it helps more, and the kind as single-case studies report it."""
    from its_pipeline.experiments.kind_told import told_between_case, told_traits
    from its_pipeline.report.kind_traits import between_case_sentences, trait_sentences

    traits = told_traits(record)
    own_unit = record.unit if record.pooled_in == "unit" else ""
    between = told_between_case(record, own_unit)
    return [
        *([] if traits is None else trait_sentences(traits, record.unit, record.direction)),
        *([] if between is None else between_case_sentences(between)),
    ]


def _percent(probability: float) -> str:
    """Return a probability in percent: never all or nothing, which no number of days shows."""
    if probability > 0.999:
        return "more than 99.9%"
    return "less than 0.1%" if probability < 0.001 else f"{probability:.1%}"


def _without(record: KindRecord) -> str:
    if not record.without_estimate:
        return "Everybody has an estimate."
    why = ", ".join(f"{count} {reason}" for reason, count in record.without_estimate.items())
    return f"Without an estimate: {why}."


def _members(record: PooledResult) -> list[tuple[str, ...]]:
    return [
        (
            shown_id(each.user_id),
            each.intervention_id,
            each.started_on,
            str(each.n_days),
            f"{number(each.own_mean)} ± {number(each.own_sd)}",
            interval_text(vars(each)),
            _percent(each.probability_of_benefit),
            f"{each.moved_in_sds:+.2f}",
            "" if each.weight is None else f"{each.weight:.2f}",
        )
        for each in record.members
    ]
