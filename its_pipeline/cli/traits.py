"""``its-pipeline trait``: what people say of themselves, for kinds to be regressed on.

What belongs here: options and output. What does not: reading a file of traits (`events.traits`),
keeping them (`stores.person_traits`), or the regression (`experiments.kind_traits`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from its_pipeline.cli.support import (
    SomeUser,
    User,
    key_of_person,
    number,
    plain_errors,
    print_table,
)
from its_pipeline.events.keys import shown_id

app = typer.Typer(
    help="Traits of people, such as age: whom something helps more (a metric's pooled_by).",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="The trait.")]


@app.command("import")
@plain_errors
def import_traits(
    file: Annotated[
        Path, typer.Argument(help="CSV or Parquet with the columns user_id, trait, value.")
    ],
) -> None:
    """Take people's traits from a file; a trait that a person has is replaced."""
    from its_pipeline.events.traits import read_trait_file
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.person_traits import set_traits

    rows = read_trait_file(file)
    taken = set_traits(get_settings(), rows)
    left = len(rows) - taken
    told = f"; {left} of people who were forgotten are left out" if left else ""
    names = ", ".join(sorted(set(rows["trait"])))
    typer.echo(f"{taken} traits of {rows['user_id'].nunique()} people ({names}){told}")
    typer.echo("next: pooled_by in the metric's declaration, then its-pipeline run")


@app.command("set")
@plain_errors
def set_trait(
    user: User,
    name: Name,
    value: Annotated[str, typer.Argument(help="A number, or yes or no.")],
) -> None:
    """Set one trait of one person."""
    import pandas as pd

    from its_pipeline.events.forgotten import Forgotten
    from its_pipeline.events.traits import check_own_trait, trait_value
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.person_traits import set_traits

    settings = get_settings()
    Forgotten(settings.store_root).refuse(user)
    found = trait_value(value)
    row = {"user_id": [user], "trait": [check_own_trait(name)], "value": [found]}
    set_traits(settings, pd.DataFrame(row))
    typer.echo(f"{shown_id(user)}: {name} is {number(found)}")


@app.command("list")
@plain_errors
def list_traits(user: SomeUser = None) -> None:
    """List the traits that there are, or one person's."""
    from its_pipeline.events.forgotten import Forgotten
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.person_traits import all_traits, known_traits

    settings = get_settings()
    if user is None:
        print_table(
            "Traits",
            ("trait", "people", "lowest", "highest"),
            [
                (each.name, str(each.n_people), number(each.lowest), number(each.highest))
                for each in known_traits(settings)
            ],
        )
        return
    Forgotten(settings.store_root).refuse(user)
    table = all_traits(settings)
    own = table[table["user_id"] == user]
    rows = [(name, number(value)) for name, value in zip(own["trait"], own["value"], strict=True)]
    print_table(f"Traits of {shown_id(user)}", ("trait", "value"), rows)


@app.command("remove")
@plain_errors
def remove(
    name: Name,
    user: Annotated[
        str | None, typer.Option(help="Only this person's.", parser=key_of_person)
    ] = None,
) -> None:
    """Take a trait away, from everybody or from one person."""
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.person_traits import remove_trait

    gone = remove_trait(get_settings(), name, user)
    typer.echo(f"trait {name} is gone from {gone} {'person' if gone == 1 else 'people'}")
