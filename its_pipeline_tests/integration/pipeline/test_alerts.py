"""What did not converge is told to the notifier, and one that is down does no harm."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from its_pipeline.defs import notify
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline_tests.integration.pipeline.conftest import make_store
from tools.stores import short_settings


@pytest.mark.parametrize("reachable", [True, False])
def test_what_did_not_converge_is_told(tmp_path, moody_engine, webhook, monkeypatch, reachable):
    monkeypatch.setattr(notify, "RETRY_SECONDS", (0.0,))
    settings = make_store(
        short_settings(
            tmp_path,
            notifier="webhook",
            notifier_webhook_url=SecretStr(webhook.url if reachable else "http://127.0.0.1:9/"),
        )
    )
    with open_instance(settings) as instance:
        outcome = LocalRunner(settings, instance, "test").refresh(["stuck|morning"])
    assert outcome.success
    assert outcome.numbers["not_converged"] == 1
    if reachable:
        (alert,) = webhook.received
        assert "1 of 1 experiments did not converge" in str(alert["title"])
        assert "stuck|morning" in str(alert["text"])
        assert alert["facts"] == {"run_id": outcome.run_id, "not_converged": 1}
