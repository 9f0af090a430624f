"""What is kept of the placebo audit: every window, what they came to, and the factors in force.

What belongs here: the records and their files. What does not: measuring (`experiments.audit`), when
a factor is adopted (`experiments.audit`), or how it is shown (`report.trust`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.files.atomic import exclusive, write_bytes, write_json
from its_pipeline.files.damage import DAMAGE, read_or_set_aside, set_aside
from its_pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

WINDOWS_FILE: Final = "windows.parquet"
AUDIT_FILE: Final = "audit.json"
FACTORS_FILE: Final = "factors.json"


@dataclass(frozen=True)
class Measured:
    """What the intervals of one metric came to where nothing had been changed.

    Attributes
    ----------
    metric, n_days
        Of which windows; `n_days` is None over all lengths.
    factor
        The intervals were widened by this.
    people, windows
        How many.
    coverage, coverage_se, coverage_lower, coverage_upper
        Share of the 95 % intervals that hold 0, its standard error and its 95 % interval, people
        as the unit.
    helped, helped_se, worse, worse_se
        Shares with P(benefit) > 0.95, and < 0.05; their standard errors.
    """

    metric: str
    n_days: int | None
    factor: float
    people: int
    windows: int
    coverage: float
    coverage_se: float
    coverage_lower: float
    coverage_upper: float
    helped: float
    helped_se: float
    worse: float
    worse_se: float


@dataclass(frozen=True)
class IntervalFactor:
    """By how much a metric's intervals are widened, in one version.

    Attributes
    ----------
    metric, version
        Of what; 1, 2, ... within the metric.
    factor
        At least 1.
    adopted_at
        UTC instant, ISO 8601.
    people, windows, coverage
        What it was measured on, and the coverage without it.
    model_version
        Of the model that was measured.
    """

    metric: str
    version: int
    factor: float
    adopted_at: str
    people: int
    windows: int
    coverage: float
    model_version: str


@dataclass(frozen=True)
class Audit:
    """One measurement over the whole store.

    Attributes
    ----------
    made_at
        UTC instant, ISO 8601.
    model_version
        Of the model that was measured.
    rows
        As the model says (factor 1), and with the factors in force where those are others.
    needed
        Metric to the factor with which its intervals would hold 95 %; metrics with too few people
        or windows are not in it.
    people
        How many there are in the daily outcomes.
    seconds
        What it took.
    """

    made_at: str
    model_version: str
    rows: tuple[Measured, ...]
    needed: Mapping[str, float] = field(default_factory=dict)
    people: int = 0
    seconds: float = 0.0

    def in_force(self, factors: Mapping[str, IntervalFactor]) -> tuple[Measured, ...]:
        """Return the rows of the intervals that are published now."""
        return tuple(
            row
            for row in self.rows
            if row.factor == (factors[row.metric].factor if row.metric in factors else 1.0)
        )


class AuditStore:
    """The files of one installation's audit.

    Parameters
    ----------
    settings
        The installation's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.placebo_audit_dir

    @property
    def audit_path(self) -> Path:
        """The newest measurement."""
        return self.folder / AUDIT_FILE

    @property
    def factors_path(self) -> Path:
        """Every factor that was ever adopted."""
        return self.folder / FACTORS_FILE

    @property
    def factors_copy_path(self) -> Path:
        """The same once more: nothing could make it again, and it is in every fingerprint."""
        return self.folder / f"copy-of-{FACTORS_FILE}"

    @property
    def windows_path(self) -> Path:
        """The Parquet file with a row a window."""
        return self.folder / WINDOWS_FILE

    def read(self) -> Audit | None:
        """Return the newest measurement; None where there is none that can be read."""

        def parsed(path: Path) -> Audit:
            plain = json.loads(path.read_bytes())
            return Audit(**{**plain, "rows": tuple(Measured(**row) for row in plain["rows"])})

        return read_or_set_aside(self.audit_path, parsed, self.folder.parent)

    def write(self, audit: Audit, windows: pd.DataFrame) -> None:
        """Put a measurement in the place of the one before.

        Parameters
        ----------
        audit
            What the windows came to.
        windows
            A row a window.
        """
        buffer = BytesIO()
        windows.to_parquet(buffer, index=False)
        write_bytes(self.windows_path, buffer.getvalue())
        write_json(self.audit_path, asdict(audit))

    def history(self) -> tuple[IntervalFactor, ...]:
        """Return every factor that was ever adopted, in order; a damaged file's copy is read.

        Raises
        ------
        ValueError
            The file and its copy are damaged: without factors every answer would change in silence.
        """

        def parsed(path: Path) -> tuple[IntervalFactor, ...]:
            plain: list[dict[str, Any]] = json.loads(path.read_bytes())
            return tuple(IntervalFactor(**each) for each in plain)

        try:
            found = parsed(self.factors_path)
        except DAMAGE as error:
            if not self.factors_copy_path.exists() and not self.factors_path.exists():
                return ()
            try:
                found = parsed(self.factors_copy_path)
            except DAMAGE:
                raise ValueError(
                    f"{self.factors_path} is damaged and there is no copy of it: it says by how "
                    "much intervals are widened; put it back from a backup, or delete it and let "
                    "`its-pipeline audit --adopt` measure anew"
                ) from error
            if self.factors_path.exists():
                set_aside(self.factors_path, self.folder.parent, f"{type(error).__name__}: {error}")
            write_json(self.factors_path, [asdict(each) for each in found])
        if not self.factors_copy_path.is_file():
            write_json(self.factors_copy_path, [asdict(each) for each in found])
        return found

    def factors(self) -> dict[str, IntervalFactor]:
        """Return the factors in force: of each metric the newest."""
        return {each.metric: each for each in self.history()}

    def adopt(self, factors: Iterable[IntervalFactor]) -> None:
        """Put factors in force; each gets the next version of its metric, whatever it had.

        Parameters
        ----------
        factors
            At most one a metric.
        """
        with exclusive(self.folder / ".lock"):
            kept = [asdict(each) for each in self.history()]
            versions = {each["metric"]: each["version"] for each in kept}
            kept += [
                {**asdict(each), "version": versions.get(each.metric, 0) + 1} for each in factors
            ]
            write_json(self.factors_copy_path, kept)
            write_json(self.factors_path, kept)


def interval_factors(settings: Settings) -> dict[str, float]:
    """Return by how much each metric's intervals are widened; a metric without one is not there."""
    return {name: each.factor for name, each in AuditStore(settings).factors().items()}
