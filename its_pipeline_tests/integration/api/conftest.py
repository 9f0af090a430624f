"""One server for all tests of the API that do not need their own."""

from __future__ import annotations

from datetime import date

import pytest

from tools.live_api import running
from tools.stores import log_intervention, series, short_settings, write_daily


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    settings = short_settings(tmp_path_factory.mktemp("api"))
    constant = series(30, 30)
    constant["value"] = 50.0
    people = {
        "anna": series(50, 40, effect=6.0, seed=1),
        "ben": series(50, 40, effect=0.0, seed=2),
        "carl": series(50, 40, effect=-6.0, seed=3),
        "cora": series(50, 40, effect=6.0, seed=6),
        "emma": series(50, 40, effect=6.0, seed=4),
        "constant": constant,
        "few": series(30, 3),
        **{f"p{number}": series(45, 40, seed=10 + number) for number in range(26)},
    }
    write_daily(settings, people)
    for user in ("anna", "ben", "emma"):
        log_intervention(settings, user)
    log_intervention(settings, "few")
    log_intervention(settings, "eventless", started_on=date(2026, 6, 1))
    with running(settings, queue_size=4) as server:
        yield server
