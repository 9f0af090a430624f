"""A store in which somebody left traces everywhere, and one night over it.

What belongs here: building it, the person's distinctive name and values. What does not: deleting
them, or searching (`leftovers`).
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from its_pipeline.events.importing import import_file
from its_pipeline.events.inbox import inbox_dir
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import SHIPPED
from its_pipeline.experiments.audit import COLUMNS
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.settings import Settings
from its_pipeline.stores.external_series import write_external
from its_pipeline.stores.person_traits import set_traits
from its_pipeline.stores.placebo_audit import Audit, AuditStore
from tools.stores import log_intervention, short_settings

#: Who leaves, and numbers that are theirs alone: an outcome, and one that the contract rejects.
WHO: Final = "zoe.q7312x"
#: Of as few bits as daily sums keep, so that it is the same eight bytes everywhere.
SCORE, REJECTED = round(73.1234567 * 2**20) / 2**20, 1973.7654321
OTHERS: Final = ("ben-0815", "carl-0816")
START_ON, DAYS = date(2026, 4, 1), 20
STARTED_ON = START_ON + timedelta(days=DAYS // 2)
#: What is to be found nowhere: their name, and what they called what they tried.
TEXTS: Final = (WHO, "Zirkeltraining q7312x")
NUMBERS: Final = (SCORE, REJECTED)

MAPPING: Final = ImportMapping(
    time="day",
    user="who",
    outcomes={"sessionPerformanceScore": "score"},
    event_type="SESSION_ENDED",
)
ALONE: Final = ImportMapping(time="day", user_constant=WHO, outcomes={"sleep_hours": "hours"})


#: Further settings of every store of this process and of those it forks.
COMMON: dict[str, Any] = {}


def settings_of(root: Path, **changes: Any) -> Settings:
    """Return the settings of the store."""
    fields = {
        **COMMON,
        "today_on": START_ON + timedelta(days=DAYS + 2),
        "late_window_days": 2,
        # The results of a night go into a set.
        "gather_from": 2,
        "pooled_min_people": 2,
    }
    return short_settings(root, **{**fields, **changes})


def build(root: Path) -> Settings:
    """Make the store: files dropped and imported, interventions, audits, files set aside."""
    settings = settings_of(root)
    both = inbox_dir(settings) / "both.csv"
    both.parent.mkdir(parents=True)
    write_both(both)
    (both.parent / "mapping.yaml").write_text(json.dumps(MAPPING.model_dump(mode="json")))
    alone = root.parent / f"{root.name}-alone.csv"
    for shift in (0.0, 1.0):
        write_alone(alone, shift)
        import_file(settings, alone, ALONE, "alone")
    other = root.parent / f"{root.name}-other.csv"
    _scores({OTHERS[1]: 3}).to_csv(other, index=False)
    import_file(settings, other, MAPPING, "other")
    write_external(settings, "weather", pd.Series(range(DAYS), pd.DatetimeIndex(_days())) % 6)
    for user in (OTHERS[0], WHO, OTHERS[1]):
        name = TEXTS[1] if user == WHO else "Study in the morning"
        analysis = {"comparisons": ["weather"]}
        log_intervention(settings, user, started_on=STARTED_ON, name=name, analysis=analysis)
    log_intervention(
        settings, WHO, intervention_id="tea", started_on=STARTED_ON + timedelta(days=5)
    )
    value = {WHO: SCORE, OTHERS[0]: 31.0, OTHERS[1]: 40.0}
    rows = pd.DataFrame({"user_id": list(value), "trait": "age", "value": list(value.values())})
    set_traits(settings, rows)
    (settings.store_root / "metrics.yaml").write_text(
        json.dumps(
            {"metrics": [{**SHIPPED[0].model_dump(exclude_defaults=True), "pooled_by": ["age"]}]}
        )
    )
    _write_audits(settings)
    _set_aside(settings)
    # As a night with more experiments would have had them drawn when somebody opened them.
    for user, text in ((WHO, TEXTS[1]), (OTHERS[0], "Study in the morning")):
        page = f"<html><title>{text} ({user})</title></html>".encode()
        PageCache.of(settings).put(f"{user}|morning", "0" * 64, page)
    return settings


def write_both(path: Path) -> None:
    """Write the file that two people are in, with a score of the one that the contract rejects."""
    table = _scores({OTHERS[0]: 1, WHO: 2})
    theirs = table.index[table["who"] == WHO]
    table.loc[theirs[4], "score"] = SCORE
    table.loc[theirs[9], "score"] = REJECTED
    table.to_csv(path, index=False)


def write_alone(path: Path, shift: float = 0.0) -> None:
    """Write the file that is about one person, whom it does not name."""
    hours = np.random.default_rng(9).uniform(6, 9, DAYS).round(2) + shift
    pd.DataFrame({"day": _days(), "hours": hours}).to_csv(path, index=False)


def _scores(people: dict[str, int]) -> pd.DataFrame:
    frames = []
    for who, seed in people.items():
        score = np.random.default_rng(seed).normal(60, 5, DAYS).clip(20, 95).round(2)
        frames.append(pd.DataFrame({"day": _days(), "who": who, "score": score}))
    return pd.concat(frames, ignore_index=True)


def _days() -> list[str]:
    return [(START_ON + timedelta(days=n)).isoformat() for n in range(DAYS)]


def _write_audits(settings: Settings) -> None:
    rows = [
        {
            "metric": "sessionPerformanceScore",
            "user_id": user,
            "n_days": 28,
            "middle_on": STARTED_ON,
            "direction": "increase",
            **dict.fromkeys(list(COLUMNS)[5:], 0.5),
            "mean": SCORE if user == WHO else 0.5,
        }
        for user in (WHO, *OTHERS)
        for _ in range(3)
    ]
    windows = pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict(COLUMNS))
    AuditStore(settings).write(Audit("2026-05-01T00:00:00+00:00", "1", (), people=3), windows)
    answers = [
        {
            "key": f"{user}|morning",
            "fingerprint": "0" * 8,
            "estimand": "immediate",
            "mean": SCORE if user == WHO else 1.0,
            **dict.fromkeys(("sd", "peer_mean", "peer_sd", "peer_mcse", "r_hat"), 1.0),
        }
        for user in (WHO, *OTHERS)
    ]
    told = {"decided_at": "2026-05-01T00:00:00+00:00", "candidates": 3, "answers": answers}
    settings.peer_audit_path.write_text(json.dumps(told))


def _set_aside(settings: Settings) -> None:
    """Put damaged files aside: theirs, another's own, and some over everybody."""
    place = settings.store_root / "set-aside"
    at = "20260501T000000000000"
    for name, text in {
        f"experiments/{WHO}/morning/verdict.json.{at}": "{",
        f"experiments/{OTHERS[0]}/morning/verdict.json.{at}": "{",
        f"evidence.json.{at}": f'{{"key": "{WHO}|morning"',
        f"peer_audit.json.{at}": '{"nobody": "in it"',
        f"daily_outcomes.parquet.{at}": "PAR1 cut short",
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
