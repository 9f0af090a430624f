"""Pages of analyses with a yearly wave: it is said where there is one."""

from __future__ import annotations

from dataclasses import replace

from its_pipeline.report.cent import checklist
from its_pipeline.report.page import render_report
from its_pipeline_tests.unit.report.factories import make_report


def test_a_yearly_season_is_said_where_there_is_one():
    report = make_report()
    yearly = replace(report.analysis, coefficients={"year_sin_1": (0.4, 0.1)})
    long = replace(report, analysis=yearly)
    for each, said in ((report, False), (long, True)):
        assert ("weekday pattern and perhaps a yearly wave" in render_report(each)) is said
        carry_over = next(item for item in checklist(each) if item.item.id == "12c")
        assert ("weekday terms and a yearly wave" in carry_over.text) is said


def test_weeks_with_a_year_are_said_to_have_a_wave_and_no_weekdays():
    report = make_report()
    spec = replace(report.analysis.spec, cadence="week", season="year")
    analysis = replace(report.analysis, spec=spec, coefficients={"year_sin_1": (0.4, 0.1)})
    page = render_report(replace(report, analysis=analysis))
    assert "perhaps a yearly wave" in page
    assert "weekday pattern" not in page
