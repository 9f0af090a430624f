"""The metrics registry: what ships, what a file may say, and what it is told when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from its_pipeline.events.analysis_options import AnalysisOptions
from its_pipeline.events.contract_docs import contract_document
from its_pipeline.events.example_metrics import EXAMPLES
from its_pipeline.events.importing import import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import (
    IMPORTED_FOLDER,
    SESSION_PERFORMANCE,
    MetricError,
    OutcomeMetric,
    UnknownMetricError,
    get_metric,
    load_metrics,
    read_metrics_file,
    registered_metrics,
    write_metrics_file,
)
from its_pipeline.settings import Settings


def test_session_performance_ships() -> None:
    metric = load_metrics(None)[SESSION_PERFORMANCE]
    assert (metric.minimum, metric.maximum, metric.unit) == (0.0, 100.0, "points")
    assert metric.event_types == ("SESSION_ENDED",)


def test_a_settings_file_adds_metrics_and_what_is_written_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "metrics.yaml"
    write_metrics_file(file, EXAMPLES)
    metrics = load_metrics(file)
    assert {m.name for m in EXAMPLES} | {SESSION_PERFORMANCE} == metrics.keys()
    assert metrics["sessionsPerDay"].zero_days
    assert all(metrics[m.name] == m for m in EXAMPLES)


def test_an_unknown_metric_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownMetricError, match=r"'mood'.*sessionPerformanceScore") as caught:
        get_metric(load_metrics(None), "mood")
    assert caught.value.known == (SESSION_PERFORMANCE,)


def test_every_invalid_entry_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "metrics.yaml"
    file.write_text(
        "metrics:\n"
        "  - {name: 1a, column: session_performance_score}\n"
        "  - {name: b, aggregation: mean}\n"
        "  - {name: c, json_path: minutes}\n"
        "  - {name: d, column: user_id}\n"
        "  - {name: e, column: completion_quality, aggregation: rate}\n"
        "  - {name: f, column: session_performance_score, minimum: 5, maximum: 5}\n"
        "  - {name: g, column: session_performance_score, zero_days: true}\n"
        "  - {name: h, colour: red, aggregation: count}\n"
        "  - {name: i, aggregation: count}\n"
        "  - {name: i, aggregation: count}\n",
        encoding="utf-8",
    )
    with pytest.raises(MetricError) as caught:
        load_metrics(file)
    told = str(caught.value)
    texts = (
        "must be a letter",
        "needs a column",
        "must look like",
        "cannot be used",
        "'rate' needs",
        "must be below",
        "no meaning",
        "colour",
    )
    for number, text in enumerate(texts, start=1):
        assert f"entry {number} " in told
        assert text in told
    assert "'i' is given twice" in told
    assert str(file) in told


@pytest.mark.parametrize("content", ["metrics: 5", "- a", "{", "\x00"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "metrics.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(MetricError, match=r"metrics\.yaml"):
        load_metrics(file)


def test_one_name_with_two_meanings_is_refused(tmp_path: Path) -> None:
    mood = OutcomeMetric(name="mood", json_path="$.mood")
    write_metrics_file(tmp_path / "metrics.yaml", (mood,))
    write_metrics_file(tmp_path / IMPORTED_FOLDER / "a.yaml", (mood,))
    settings = Settings(store_root=tmp_path)
    assert registered_metrics(settings)["mood"] == mood
    other = mood.model_copy(update={"aggregation": "median"})
    write_metrics_file(tmp_path / IMPORTED_FOLDER / "b.yaml", (other,))
    with pytest.raises(MetricError, match=r"b\.yaml: metric 'mood' is registered before"):
        registered_metrics(settings)


def test_a_metric_says_the_options_of_its_analyses(tmp_path: Path) -> None:
    file = tmp_path / "metrics.yaml"
    head = "metrics:\n  - name: mood\n    json_path: $.mood\n    "
    file.write_text(f"{head}analysis: {{slope: no, trend: yes, covariates: none}}\n")
    (metric,) = read_metrics_file(file)
    said = {"slope": False, "trend": True, "covariates": []}
    assert (metric.analysis.said(), metric.likelihood) == (said, "normal")
    write_metrics_file(file, (metric,))
    assert read_metrics_file(file) == (metric,)
    for told, text in (
        ("analysis: {slope: 2}", "slope must be auto, yes or no"),
        ("analysis: {colour: red}", "there is no option colour"),
        ("likelihood: normal\n    analysis: {likelihood: student_t}", "say it once"),
        (
            "aggregation: sum\n    zero_days: true\n    analysis: {covariates: [share_morning]}",
            "which have no time of day",
        ),
    ):
        file.write_text(head + told + "\n")
        with pytest.raises(MetricError, match=text):
            read_metrics_file(file)


def test_an_import_of_newer_data_keeps_the_analysis_somebody_chose(tmp_path: Path) -> None:
    settings = Settings(store_root=tmp_path)
    mapping = ImportMapping(time="time", user_constant="ada", outcomes={"mood": "mood"})
    file = tmp_path / "mood.csv"
    file.write_text("time,mood\n2026-03-10T10:00:00Z,3\n")
    import_file(settings, file, mapping, "mood")
    (declared,) = read_metrics_file(registered := tmp_path / IMPORTED_FOLDER / "mood.yaml")
    options = AnalysisOptions(covariates=(), slope=False)
    chosen = declared.model_copy(update={"likelihood": "student_t", "analysis": options})
    write_metrics_file(registered, (chosen,))

    file.write_text("time,mood\n2026-03-10T10:00:00Z,3\n2026-03-11T10:00:00Z,4\n")
    import_file(settings, file, mapping, "mood")
    import_file(settings, file, mapping, "mood-of-another-file")

    assert registered_metrics(settings)["mood"] == chosen
    sad = mapping.model_copy(update={"aggregation": "median"})
    with pytest.raises(MetricError, match="'mood' is registered already with another meaning"):
        import_file(settings, file, sad, "sad")


def test_the_worked_example_is_taken_and_has_every_key(tmp_path):
    page = contract_document()
    start = page.index("```yaml\n", page.index("A file with every key")) + len("```yaml\n")
    file = tmp_path / "metrics.yaml"
    file.write_text(page[start : page.index("```", start)])
    metrics = read_metrics_file(file)
    keys = {name for entry in yaml.safe_load(file.read_text())["metrics"] for name in entry}
    # `likelihood` stands under `analysis`.
    assert keys | {"likelihood"} == set(OutcomeMetric.model_fields)
    options = {name for metric in metrics for name in metric.analysis.said()}
    assert options == set(AnalysisOptions.model_fields)


def test_each_problem_has_a_line_with_its_remedy(tmp_path):
    file = tmp_path / "metrics.yaml"
    file.write_text("metrics:\n- {name: mood, json_path: $.mood, aggregation: average, hue: 1}\n")
    with pytest.raises(MetricError) as caught:
        read_metrics_file(file)
    _, first, second = str(caught.value).splitlines()
    assert "aggregation: should be 'mean'" in first
    assert "is 'average'; correct it" in first
    assert "hue: is no field of a metric; take it out" in second
