"""The pages where the days are numbered sessions: asked, refused and logged by their numbers."""

from datetime import date

import pytest

from its_pipeline_tests.integration.api.browsing import Browser, message
from tools.live_api import running
from tools.stores import short_settings

ASKED = {"way": "first", "direction": "increase"}


@pytest.fixture
def anna(tmp_path):
    with running(short_settings(tmp_path, today_on=date(2026, 6, 20))) as live:
        yield Browser(live, "anna")


def test_sessions_are_asked_by_their_numbers(anna):
    rows = [f"{n},{50 + n % 5 + 9 * (n > 20)}" for n in range(1, 45)]
    dropped = anna.drop("\n".join(["session,score", *rows]).encode(), "sessions.csv")
    assert "First session with it" in dropped.text
    assert 'type="number"' in dropped.text
    path = dropped.url.path
    told = message(anna.post(f"{path}/asked", {**ASKED, "first_on": "2026-05-01"}), 422)
    assert "the number of a session like 12" in told
    asked = anna.post(f"{path}/asked", {**ASKED, "first_on": "21"})
    assert "With it from session 21 on" in asked.text, message(asked, 422)
    periods = {**ASKED, "way": "periods", "periods": "21..44"}
    assert "session 21 to session 44" in anna.post(f"{path}/asked", periods).text
    anna.post(f"{path}/asked", {**ASKED, "first_on": "21"})
    logged = anna.post(f"{path}/saved", {"name": "Coach"})
    assert logged.url.path == "/people/anna/experiments/coach"
    assert "from session 21 on" in logged.text
