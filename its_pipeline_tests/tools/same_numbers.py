"""Whether two versions of the code give the same numbers, to the last bit, on sixty series.

For changes that move walls and must move no number. Capture with the one version, capture with the
other on the same machine, compare:

    python its_pipeline_tests/tools/same_numbers.py capture before.json
    python its_pipeline_tests/tools/same_numbers.py capture after.json
    python its_pipeline_tests/tools/same_numbers.py compare before.json after.json

`--package DIR` captures with the package of another checkout. What is held of each answer: effects,
intervals, warnings with their numbers, fingerprint, verdict, daily table, every draw and the
posterior predictive. Only the public door is used, so one copy of this file serves both versions.
Bits may differ between kinds of processors, so no capture is kept in the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST_DAY = "2024-01-01"


@dataclass(frozen=True)
class Case:
    """One question: a name, a series, a date, settings, covariates."""

    name: str
    outcome: pd.Series
    intervention_on: str | pd.Timestamp
    settings: dict[str, Any]
    covariates: pd.DataFrame | None = None


def simulated_cases() -> Iterator[Case]:
    """Yield simulated series: every length, noise, estimator, likelihood, season and covariate."""
    for number, (n, rho) in enumerate([(28, 0.0), (28, 0.6), (60, 0.3), (90, 0.6), (180, 0.9)]):
        outcome, day = _simulated(n, rho, seed=number, change=8.0 * (number % 2))
        for estimator in ("segmented", "forecast"):
            for likelihood in ("normal", "student_t"):
                settings = {"estimator": estimator, "likelihood": likelihood, "draws": 1000}
                yield Case(f"ar1/{n}/{rho}/{estimator}/{likelihood}", outcome, day, settings)
    outcome, day = _simulated(90, 0.3, seed=11, change=5.0, missing=0.3)
    yield Case("missing", outcome, day, {"direction": "decrease", "minimum_effect": 2.0})
    yield Case("washout", outcome, day, {"washout_days": 7})
    yield Case("washout, forecast", outcome, day, {"washout_days": 7, "estimator": "forecast"})
    yield Case("no trend", outcome, day, {"trend": False, "slope": False})
    yield Case("no season", outcome, day, {"season": "none", "slope": True, "seed": 5})
    yield Case("no slope, forecast", outcome, day, {"slope": False, "estimator": "forecast"})
    yield Case("few draws", outcome, day, {"draws": 60, "tune": 60, "chains": 2})
    outcome, day = _simulated(60, -0.4, seed=12)
    yield Case("negative rho", outcome, day, {})
    yield Case("negative rho, gaps", outcome.drop(outcome.index[[5, 6, 20, 41]]), day, {})
    outcome, day = _simulated(90, 0.3, seed=13)
    outcome = outcome + 80.0 * np.isin(np.arange(len(outcome)), [10, 70])
    yield Case("outliers", outcome, day, {})
    yield Case("outliers, student_t", outcome, day, {"likelihood": "student_t"})
    outcome, day = _simulated(90, 0.2, seed=14, change=12.0)
    rng = np.random.default_rng(14)
    share = 0.2 + 0.5 * (outcome.index >= day) + 0.05 * rng.standard_normal(len(outcome))
    covariates = pd.DataFrame(
        {"share_morning": share, "sleep": rng.standard_normal(len(outcome)), "constant": 1.0},
        index=outcome.index,
    )
    yield Case("covariates", outcome, day, {}, covariates)
    yield Case("covariates, forecast", outcome, day, {"estimator": "forecast"}, covariates)
    outcome, day = _simulated(60, 0.2, seed=15)
    outcome[outcome.index < day] = 70.0 + 0.01 * outcome[outcome.index < day] / 70.0
    yield Case("flat baseline", outcome, day, {})
    outcome, day = _simulated(180, 0.9, seed=16)
    outcome += np.random.default_rng(16).normal(0.0, 8.0, len(outcome))
    yield Case("swings under fresh noise", outcome, day, {})
    outcome, day = _simulated(90, 0.3, seed=17)
    outcome[outcome.index >= day - pd.Timedelta(days=20)] += 30.0
    yield Case("moved before", outcome, day, {})
    yield Case("moved before, forecast", outcome, day, {"estimator": "forecast"})
    outcome, day = _simulated(80, 0.3, seed=18)
    months = pd.date_range("2018-01-01", periods=80, freq="MS")
    monthly = pd.Series(outcome.to_numpy(), index=months)
    yield Case("months", monthly, months[40], {"season": "month"})
    outcome, day = _simulated(60, 0.3, seed=19)
    centred = outcome - outcome.mean()
    yield Case("around zero", centred, day, {"unit": "points"})


def real_cases(folder: Path) -> Iterator[Case]:
    """Yield the real series of `folder`: days, months, pupils, a control group."""
    belts = pd.read_csv(folder / "uk_seatbelts.csv", index_col="date", parse_dates=True)
    traffic = belts[["kms", "PetrolPrice"]].apply(np.log)
    month = {"direction": "decrease", "season": "month", "slope": False}
    for who in ("drivers", "front", "rear"):
        yield Case(f"belts/{who}", belts[who].apply(np.log), "1983-02-01", month, traffic)
    pills = pd.read_csv(folder / "quetiapine_dispensings.csv")
    dates = pd.to_datetime(pills["month"], format="%d-%b-%y")
    dispensed = pd.Series(pills["dispensings"].to_numpy(float), index=pd.DatetimeIndex(dates))
    yield Case("quetiapine", dispensed, "2014-01-01", {"season": "month", "slope": True})
    mood = pd.read_csv(folder / "melatonin_mood_nof1_daily.csv", parse_dates=["date"])
    moods = mood.dropna(subset=["mood"]).set_index("date")["mood"]
    yield Case("melatonin", moods, moods.index[0] + pd.Timedelta(days=35), {})
    beeps = pd.read_csv(folder / "kossakowski_depression_nof1_obs.csv", parse_dates=["date"])
    down = beeps.groupby("date")["mood_down"].mean().sort_index()
    yield Case("kossakowski", down, down.index[len(down) // 2], {"direction": "decrease"})
    pupils = pd.read_csv(folder / "scan_Huber2014.csv")
    for pupil in ("Adam", "Berta", "Christian", "David"):
        outcome, day = _sessions(pupils[pupils["case"] == pupil], "compliance", "mt")
        for likelihood in ("normal", "student_t"):
            settings = {"season": "none", "slope": False, "likelihood": likelihood}
            yield Case(f"huber/{pupil}/{likelihood}", outcome, day, settings)
    control = pd.read_csv(folder / "causalimpact_comparison_data.csv", index_col=0)
    control.index = pd.to_datetime(control.index)
    others = control[[c for c in control.columns if c.startswith("NOT")]]
    for estimator in ("segmented", "forecast"):
        settings = {"estimator": estimator}
        yield Case(f"control/{estimator}", control["CHANGED"], "2019-07-15", settings, others)
    days = pd.read_parquet(folder / "placebo_days.parquet").dropna(subset=["value"])
    longest = days.groupby(["source", "person", "outcome"], sort=True).size().sort_values()
    for source in ("lifesnaps", "moodlog", "nn5", "sleepcycle", "whoop"):
        key = longest[longest.index.get_level_values("source") == source].index[-1]
        one = days[(days[["source", "person", "outcome"]] == list(key)).all(axis=1)]
        outcome = one.set_index(pd.DatetimeIndex(one["day"]))["value"].sort_index().iloc[:90]
        yield Case(f"placebo/{source}", outcome.astype(float), outcome.index[45], {})


def _simulated(
    n: int, rho: float, *, seed: int, change: float = 0.0, missing: float = 0.0
) -> tuple[pd.Series, pd.Timestamp]:
    rng = np.random.default_rng(seed)
    noise = np.empty(n)
    noise[0] = rng.standard_normal()
    for t in range(1, n):
        noise[t] = rho * noise[t - 1] + np.sqrt(1.0 - rho**2) * rng.standard_normal()
    values = 70.0 + 10.0 * noise + change * (np.arange(n) >= n // 2)
    days = pd.date_range(FIRST_DAY, periods=n, freq="D")
    kept = rng.uniform(size=n) >= missing
    kept[[0, n // 2, n - 1]] = True
    return pd.Series(values[kept], index=days[kept]), days[n // 2]


def _sessions(rows: pd.DataFrame, outcome: str, number: str) -> tuple[pd.Series, pd.Timestamp]:
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rows[number].to_numpy(), unit="D")
    start = days[(rows["phase"] == "B").to_numpy()][0]
    return pd.Series(rows[outcome].to_numpy(float), index=days), start


def answer(case: Case) -> dict[str, Any]:
    """Return everything that must not move of one answer, floats as their hexadecimal digits."""
    from its_pipeline.its import MODEL_VERSION, AnalysisSpec, analyze, fingerprint

    spec = AnalysisSpec(**case.settings)
    analysis = analyze(case.outcome, case.intervention_on, spec, case.covariates)
    told = analysis.to_dict()
    del told["timing"]
    held = {
        "model_version": MODEL_VERSION,
        "fingerprint": fingerprint(case.outcome, case.intervention_on, spec, case.covariates),
        "told": _exact(told),
        "daily": {str(name): _digest(analysis.daily[name]) for name in analysis.daily.columns},
        "trace": {name: _digest(values) for name, values in analysis.trace.items()},
    }
    if analysis.converged:
        held["draws"] = {name: _digest(values) for name, values in analysis.draws.items()}
        held["predictive"] = _digest(analysis.posterior_predictive(50, seed=3))
    return held


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(inner) for inner in value]
    return value.hex() if isinstance(value, float) else value


def _digest(values: Any) -> str:
    array = np.ascontiguousarray(values)
    content = array.astype(str).tobytes() if array.dtype == object else array.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def capture(to: Path, shared: Path) -> int:
    """Answer every case and write what came out; return how many there were."""
    cases = [*simulated_cases(), *(real_cases(shared) if shared.is_dir() else ())]
    answers = {case.name: answer(case) for case in cases}
    to.write_text(json.dumps(answers, indent=1, sort_keys=True))
    return len(answers)


def differences(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """Yield each place where two captures differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(set(before) | set(after)):
            yield from differences(before.get(name), after.get(name), f"{at} > {name}")
    elif before != after:
        yield f"{at}: {before!r} became {after!r}"


def main() -> None:
    """Read the command line; exit with 1 where two captures differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    capturing = commands.add_parser("capture")
    capturing.add_argument("to", type=Path)
    capturing.add_argument("--package", type=Path, default=ROOT)
    default = Path(os.environ.get("ITS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    capturing.add_argument("--shared", type=Path, default=default)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    asked = parser.parse_args()
    if asked.command == "capture":
        sys.path.insert(0, str(asked.package))
        print(f"{capture(asked.to, asked.shared)} series captured in {asked.to}")
        return
    before, after = (json.loads(path.read_text()) for path in (asked.before, asked.after))
    found = list(differences(before, after))
    print("\n".join(found) or f"{len(before)} series: every number the same")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
