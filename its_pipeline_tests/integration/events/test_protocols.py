"""What checklists over many ask of the log, read at once, is what each intervention says."""

from __future__ import annotations

from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.protocols import FilledIn, filled_in
from its_pipeline_tests.unit.report.scheduled import LOT, REVERSAL
from tools.stores import log_intervention, short_settings


def test_it_is_what_each_intervention_says(tmp_path):
    settings = short_settings(tmp_path)
    log_intervention(settings, "ada", hypothesis="It helps", protocol={"background": "Quiet"})
    log_intervention(settings, "bob", schedule=LOT, started_on=None)
    log_intervention(settings, "cyd", schedule=REVERSAL, started_on=None, protocol={"9": " "})
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.amend("cyd", "morning", hypothesis="Or not")
    log.close()
    nothing: frozenset[str] = frozenset()
    assert dict(filled_in(settings)) == {
        "ada|morning": FilledIn(frozenset({"background"}), True, True, False),
        "bob|morning": FilledIn(nothing, True, False, True),
        "cyd|morning": FilledIn(nothing, False, True, False),
    }
