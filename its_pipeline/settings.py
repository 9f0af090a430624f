"""Everything a person can set, in one typed place; and where things lie under the store root.

What belongs here: a setting's name, type, default and meaning. What does not: reading a setting at
import time, or deciding anything from it. Every setting is an environment variable with the prefix
``ITS_`` (``ITS_STORE_ROOT``); functions call `get_settings` when they run, so a test or a worker
with another environment sees its own values.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

FEWEST_KEPT_DAYS: Final = 90
"""Events are kept at least so long: late ones are waited for up to 60 days, and every day is
compared with the 28 days ahead of it."""


def checkout_root() -> Path | None:
    """Return the root of the checkout that this code runs from; None where it is installed."""
    root = Path(__file__).resolve().parent.parent
    project = root / "pyproject.toml"
    # Asked by name: careless packages leave a pyproject.toml of theirs in site-packages.
    if project.is_file() and 'name = "its-pipeline"' in project.read_text(encoding="utf-8"):
        return root
    return None


def default_store_root() -> Path:
    """Return ``data/`` of the checkout; installed, the user's data folder of this system.

    Nothing is ever written beside installed code: an upgrade would delete it.
    """
    from platformdirs import user_data_path

    checkout = checkout_root()
    if checkout is not None:
        return checkout / "data"
    return user_data_path("its_pipeline", appauthor=False)


class Settings(BaseSettings):
    """The settings of one installation. Field descriptions are the documentation."""

    model_config = SettingsConfigDict(env_prefix="ITS_", extra="ignore", frozen=True)

    store_root: Path = Field(
        default_factory=default_store_root,
        description="Folder under which everything generated lies; default data/ in a checkout, "
        "else the user's data folder (on Linux ~/.local/share/its_pipeline).",
    )
    source: Literal["files", "simulator", "postgres"] = Field(
        default="files",
        description="Where new events come from. Imported files are always read as well.",
    )
    source_url: SecretStr | None = Field(
        default=None, description="PostgreSQL URL of the app's database, for source=postgres."
    )
    source_url_file: Path | None = Field(
        default=None, description="A file that holds source_url; keeps it out of the environment."
    )
    source_table: str = Field(default="behavioral_events", description="Table of source=postgres.")
    metrics_file: Path | None = Field(
        default=None,
        description="YAML of outcome metrics; default <store_root>/metrics.yaml if there.",
    )
    intervention_log_url: str | None = Field(
        default=None, description="SQLAlchemy URL; default SQLite under store_root."
    )
    mlflow_tracking_uri: str | None = Field(
        default=None, description="MLflow tracking URI; default SQLite under store_root."
    )
    mlflow_experiment: str = Field(default="its_pipeline", description="MLflow experiment name.")
    dagster_database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL URL of Dagster's records, of the environment alone; default SQLite "
        "files in Dagster's home.",
    )
    late_window_days: int = Field(
        default=3, ge=0, le=60, description="Days the nightly run exports again for late events."
    )
    keep_events_days: int | None = Field(
        default=None,
        ge=FEWEST_KEPT_DAYS,
        description="Days that events are kept; those of older days are deleted every night, their "
        "daily outcomes stay, and what comes for them later is refused. Default for ever.",
    )
    nightly_hour: int = Field(default=3, ge=0, le=23, description="Local hour of the nightly run.")
    nightly_time_zone: str = Field(default="UTC", description="IANA zone of nightly_hour.")
    shard_size: int = Field(
        default=300,
        ge=1,
        description="Experiments in one run of refresh_experiments in a night; beyond "
        "partition_limit a hundred times as many, and whole shards.",
    )
    shard_concurrency: int = Field(
        default=1, ge=1, description="Runs of refresh_experiments at the same time in a night."
    )
    gather_from: int = Field(
        default=100,
        ge=1,
        description="A bulk run that finds the results of so many of its experiments in folders of "
        "their own moves them into one file.",
    )
    partition_limit: int = Field(
        default=20_000,
        ge=0,
        description="Beyond so many experiments Dagster's partitions are shards of a thousand or "
        "so, with counts and a list of what failed, and MLflow gets a run a shard; so it stays "
        "down to nine tenths of it.",
    )
    refresh_workers: int | None = Field(
        default=None,
        ge=1,
        description="Worker processes of one bulk run, some 700 MB each; 1: the run's own process; "
        "default one a core where there is enough to do.",
    )
    engine: Literal["local", "ray"] = Field(
        default="local",
        description="Where the shards of a store beyond partition_limit are computed. local: this "
        "machine, see refresh_workers. ray: the tasks of a Ray cluster (extra ray).",
    )
    ray_address: str | None = Field(
        default=None,
        description="Address of the cluster for engine=ray, e.g. 10.0.0.5:6379, or auto for one "
        "that runs on this machine; default: Ray is started here and ended after the run.",
    )
    first_day_on: date | None = Field(
        default=None,
        description="First UTC day of the event partitions; default the first day in the lake, "
        "or 90 days ago where it is empty.",
    )
    burst_size: int = Field(
        default=20, ge=1, description="More logged interventions than this in a tick: one bulk run."
    )
    draws: int = Field(
        default=2000,
        ge=100,
        le=20_000,
        description="Posterior draws a chain, where sampled; of a quadrature, made on demand.",
    )
    tune: int = Field(default=1000, ge=100, le=20_000, description="Tuning steps a chain.")
    chains: int = Field(default=4, ge=2, le=16, description="Markov chains.")
    seed: int = Field(default=0, ge=0, description="Seed of every analysis.")
    audit_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of a bulk run's analyses whose quadrature NUTS audits; no number "
        "depends on it. Outside bulk runs, and where a quadrature is doubtful, all are audited.",
    )
    peer_audits: int = Field(
        default=2,
        ge=1,
        description="Analyses that a peer audit fits again with PyMC; minutes each.",
    )
    pooled_min_people: int = Field(
        default=5,
        ge=1,
        description="Of a kind that fewer people than this have an estimate of, nothing is told; "
        "a spread cannot be learnt of one, so at least two are needed whatever this says.",
    )
    today_on: date | None = Field(
        default=None,
        description="Pretend that this is today (UTC), for demos and tests; default the clock.",
    )
    dagster_url: str | None = Field(
        default="http://127.0.0.1:3000", description="Address of Dagster's UI, for links."
    )
    mlflow_url: str | None = Field(
        default="http://127.0.0.1:5000", description="Address of MLflow's UI, for links."
    )
    pages: Literal["eager", "on_demand", "auto"] = Field(
        default="auto",
        description="Whether bulk runs draw pages. eager: all. on_demand: none; `its-pipeline "
        "serve` draws a page when somebody opens it, `its-pipeline pages` all that are missing. "
        "auto: eager up to 1,000 experiments. Beyond partition_limit no bulk run draws any, "
        "whatever this says. Runs of one experiment always draw.",
    )
    page_cache_megabytes: int = Field(
        default=1000,
        ge=1,
        description="Most that pages drawn on demand may take, some 0.4 MB each; those opened "
        "longest ago are dropped.",
    )
    server_url: str | None = Field(
        default="http://127.0.0.1:8000",
        description="Address of `its-pipeline serve`, for links to pages drawn on demand.",
    )
    notifier: Literal["log", "webhook", "command"] = Field(
        default="log", description="Where alerts go."
    )
    notifier_webhook_url: SecretStr | None = Field(
        default=None, description="Address that notifier=webhook posts JSON to."
    )
    notifier_command: str | None = Field(
        default=None,
        description="Program with its arguments that notifier=command starts for an alert, which "
        "it gets on standard input, e.g. mail -s its_pipeline ops@example.org",
    )
    alert_rejected_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="A day of events of which more than this share is rejected is told.",
    )
    alert_ingest_hours: int = Field(
        default=30, ge=1, description="No ingest for so many hours is told."
    )
    alert_events_hours: int | None = Field(
        default=None,
        ge=1,
        description="A newest event older than so many hours is told after every ingest; "
        "default never.",
    )
    alert_night_hours: int = Field(
        default=12,
        ge=1,
        le=24,
        description="A night that did not begin, or is not over, so many hours after its hour is "
        "told.",
    )

    @field_validator("store_root", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def lake_dir(self) -> Path:
        """Folder of the Parquet lake."""
        return self.store_root / "lake"

    @property
    def daily_outcomes_path(self) -> Path:
        """The sorted Parquet file of daily outcomes that every reader of ours reads."""
        return self.store_root / "daily_outcomes.parquet"

    @property
    def evidence_path(self) -> Path:
        """The Parquet file of all experiments' evidence."""
        return self.store_root / "evidence.parquet"

    @property
    def peer_audit_path(self) -> Path:
        """What the newest peer audit came to."""
        return self.store_root / "peer_audit.json"

    @property
    def compliance_path(self) -> Path:
        """The Parquet file of every experiment's CENT 2015 checklist."""
        return self.store_root / "compliance.parquet"

    @property
    def placebo_audit_dir(self) -> Path:
        """Folder of the placebo audit: its windows, its numbers, the factors in force."""
        return self.store_root / "placebo_audit"

    @property
    def pooled_dir(self) -> Path:
        """Folder of what people who tried the same came to, one file a kind and metric."""
        return self.store_root / "pooled"

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file for analysts; derived and rebuildable."""
        return self.store_root / "warehouse.duckdb"

    @property
    def experiments_dir(self) -> Path:
        """Folder of verdicts and analyses, one sub-folder an experiment."""
        return self.store_root / "experiments"

    @property
    def external_series_dir(self) -> Path:
        """Folder of series that belong to no person, one Parquet file each."""
        return self.store_root / "external_series"

    @property
    def person_traits_path(self) -> Path:
        """Table of the declared traits of people: user_id, trait, value."""
        return self.store_root / "person_traits.parquet"

    @property
    def adhoc_dir(self) -> Path:
        """Folder of the lists of what is kept besides logged interventions' own analyses."""
        return self.store_root / "adhoc"

    @property
    def reports_dir(self) -> Path:
        """Folder of the index page and of every experiment's report."""
        return self.store_root / "reports"

    @property
    def page_cache_dir(self) -> Path:
        """Folder of the pages that were drawn on demand; whatever is in it can be drawn again."""
        return self.store_root / "page_cache"

    @property
    def dagster_home(self) -> Path:
        """Dagster's home of this installation."""
        return self.store_root / "dagster"

    def utc_today(self) -> date:
        """Return today's UTC date, or the pretended one."""
        return self.today_on or datetime.now(UTC).date()

    @property
    def resolved_metrics_file(self) -> Path | None:
        """`metrics_file`, or the store's own ``metrics.yaml`` where there is one."""
        own = self.store_root / "metrics.yaml"
        return self.metrics_file or (own if own.is_file() else None)

    @property
    def resolved_intervention_log_url(self) -> str:
        """SQLAlchemy URL of the intervention log."""
        return self.intervention_log_url or f"sqlite:///{self.store_root / 'interventions.sqlite'}"

    @property
    def resolved_mlflow_tracking_uri(self) -> str:
        """MLflow's tracking URI."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.store_root / 'mlflow.db'}"

    @property
    def mlflow_artifact_dir(self) -> Path:
        """Folder of MLflow's artifacts when the tracking URI is the default SQLite."""
        return self.store_root / "mlartifacts"

    @property
    def installation_file(self) -> Path:
        """Settings that belong to this store itself; the environment goes before them."""
        return self.store_root / "installation.json"


def get_settings() -> Settings:
    """Read the settings from the environment, now.

    What the environment does not set is read from the store's own ``installation.json``, where
    there is one: the demo's store keeps its source and its pretended day there, so that every
    later command and server sees the same store as the demo did.

    Raises
    ------
    ValueError
        Names the setting, the rule and the value (pydantic.ValidationError), or the file.
    """
    settings = Settings()
    if not settings.installation_file.is_file():
        return settings
    try:
        own = dict(json.loads(settings.installation_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{settings.installation_file} cannot be read ({error}): it says which source and day "
            "this store has, so nothing is done without it; put it back from a backup, or delete "
            "it and set ITS_SOURCE and the like"
        ) from error
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    unknown = sorted(own.keys() - Settings.model_fields.keys())
    if unknown:
        raise ValueError(f"{settings.installation_file} has unknown settings {unknown}")
    return Settings(**{**own, **given})
