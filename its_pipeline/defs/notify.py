"""Where alerts go: the log by default, a webhook (what chat tools take) by setting.

What belongs here: delivering an alert. What does not: deciding that there is one (`sensors`,
`refresh_job`).
"""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from its_pipeline.settings import Settings

#: Seconds that a webhook may take.
WEBHOOK_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Alert:
    """Something a person should look at.

    Attributes
    ----------
    title
        One line.
    text
        What happened and what to do.
    facts
        For programs; values that JSON has.
    """

    title: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class NotDeliveredError(RuntimeError):
    """An alert could not be delivered; the message does not carry the address."""


class LogNotifier:
    """Writes alerts to the log, as warnings."""

    def notify(self, alert: Alert) -> None:
        """Write an alert."""
        logging.getLogger("its_pipeline.alerts").warning("%s: %s", alert.title, alert.text)


class WebhookNotifier:
    """Posts alerts as JSON: ``{"title", "text", "facts"}``; ``text`` is what chat tools show.

    Parameters
    ----------
    url
        An http or https address; it is a secret and appears in no message.
    seconds
        How long to wait.
    """

    def __init__(self, url: str, seconds: float = WEBHOOK_SECONDS) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("the notifier's webhook address should start with http:// or https://")
        self._url = url
        self._seconds = seconds

    def notify(self, alert: Alert) -> None:
        """Post an alert.

        Raises
        ------
        NotDeliveredError
            The address is out of reach, or its answer is an error.
        """
        body = {
            "title": alert.title,
            "text": f"{alert.title}\n{alert.text}",
            "facts": dict(alert.facts),
        }
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=self._seconds):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            raise NotDeliveredError(f"the webhook answered {error.code}: {alert.title}") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise NotDeliveredError(f"the webhook is out of reach: {reason}") from None


def open_notifier(settings: Settings) -> LogNotifier | WebhookNotifier:
    """Return the notifier that the settings name.

    Raises
    ------
    ValueError
        ``notifier=webhook`` without an address.
    """
    if settings.notifier == "log":
        return LogNotifier()
    if settings.notifier_webhook_url is None:
        raise ValueError("ITS_NOTIFIER=webhook needs ITS_NOTIFIER_WEBHOOK_URL")
    return WebhookNotifier(settings.notifier_webhook_url.get_secret_value())
