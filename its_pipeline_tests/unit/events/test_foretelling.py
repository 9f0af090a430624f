"""What `import` says the contract will reject is what the contract then rejects."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from its_pipeline.events.foretelling import MostlyRejectedError
from its_pipeline.events.importing import foretell_import, import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.ingest import steps
from its_pipeline.settings import Settings

MAPPING = ImportMapping(time="time", user="user", outcomes={"mood": "mood"})
ROWS = """user,time,mood
ada,2026-03-10,5
ada,2026-03-11,six
7|7,2026-03-11,six
[1],2026-03-11,six
ada,11/03/2026,5
ada,2026-03-12,
ada,9999-01-01,5
ada,2026-03-13,7
ada,2026-03-13T10:00:00Z,7
ada,2026-03-14,1e999
"""


def test_what_is_foretold_is_what_is_rejected(tmp_path: Path) -> None:
    settings = Settings(store_root=tmp_path / "store")
    file = tmp_path / "a.csv"
    file.write_text(ROWS)
    foretold = foretell_import(settings, file, MAPPING)
    with pytest.raises(MostlyRejectedError, match="would reject 6 of 10 rows"):
        import_file(settings, file, MAPPING)
    assert steps.changed_days(settings) == []
    taken = import_file(settings, file, MAPPING, anyway=True)
    assert taken.foretold == foretold
    rejected: Counter[tuple[str, str]] = Counter()
    for day in steps.changed_days(settings):
        steps.export_day(settings, day)
        for broken in steps.validate_day_partition(settings, day).summary.broken_rules:
            rejected[broken.rule, broken.column] += broken.rows
    assert {(rule.rule, rule.column): rule.rows for rule in foretold.by_rule} == rejected


def test_examples_are_the_first_rows_and_the_cell_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(ROWS)
    foretold = foretell_import(Settings(store_root=tmp_path / "store"), file, MAPPING)
    told = "\n".join(foretold.told)
    assert "is_number(event_data): row 3: 'six'" in told
    assert "--decimal comma or point" in told
    assert "legal_id(user_id): row 4: '7|7', row 5: '[1]'; mend it with --user COLUMN" in told
