"""Where alerts go: the log by default; a webhook (what chat tools take) or a program by setting.

What belongs here: delivering an alert. What does not: deciding that there is one (`alerts`,
`refresh_job`).
"""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from its_pipeline.settings import Settings

#: Seconds that a webhook or a program may take.
DELIVERY_SECONDS: Final = 10.0
#: Seconds ahead of the second and the third try; a sensor may take a minute in all.
RETRY_SECONDS: Final = (2.0, 5.0)

_log = logging.getLogger("its_pipeline.alerts")


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


class Notifier(Protocol):
    """Whoever delivers alerts."""

    def notify(self, alert: Alert) -> None:
        """Deliver an alert, or raise NotDeliveredError."""


class LogNotifier:
    """Writes alerts to the log, as warnings."""

    def notify(self, alert: Alert) -> None:
        """Write an alert."""
        _log.warning("%s: %s", alert.title, alert.text)


class WebhookNotifier:
    """Posts alerts as JSON: ``{"title", "text", "facts"}``; ``text`` is what chat tools show.

    Parameters
    ----------
    url
        An http or https address; it is a secret and appears in no message.
    seconds
        How long to wait.
    """

    def __init__(self, url: str, seconds: float = DELIVERY_SECONDS) -> None:
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


class CommandNotifier:
    """Starts a program for an alert: the title, then the text, on its standard input.

    Parameters
    ----------
    command
        The program and its arguments, split as a shell splits words; no shell is started.
    seconds
        How long it may take.
    """

    def __init__(self, command: str, seconds: float = DELIVERY_SECONDS) -> None:
        self._arguments = shlex.split(command)
        self._seconds = seconds
        if not self._arguments:
            raise ValueError("the notifier's command is empty; name a program")

    def notify(self, alert: Alert) -> None:
        """Start the program and wait for its end.

        Raises
        ------
        NotDeliveredError
            It is not there, takes too long, or ends with another status than 0.
        """
        program = self._arguments[0]
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own program
                self._arguments,
                input=f"{alert.title}\n{alert.text}\n",
                text=True,
                capture_output=True,
                timeout=self._seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotDeliveredError(f"the notifier's program {program}: {error}") from None
        if done.returncode:
            raise NotDeliveredError(
                f"the notifier's program {program} ended with status {done.returncode}: "
                f"{done.stderr.strip()[-300:]}"
            )


def tell(settings: Settings, alert: Alert) -> bool:
    """Deliver an alert, trying again for a chat tool that restarts; tell whether it was delivered.

    One that was not is in the log: whatever is told of goes on.
    """
    notifier = open_notifier(settings)
    for pause in (*RETRY_SECONDS, None):
        try:
            notifier.notify(alert)
        except NotDeliveredError as error:
            if pause is None:
                _log.warning("nobody could be told: %s (%s: %s)", error, alert.title, alert.text)
                return False
            time.sleep(pause)
        else:
            break
    return True


def open_notifier(settings: Settings) -> Notifier:
    """Return the notifier that the settings name.

    Raises
    ------
    ValueError
        ``notifier=webhook`` without an address, or ``notifier=command`` without a command.
    """
    if settings.notifier == "log":
        return LogNotifier()
    if settings.notifier == "command":
        if settings.notifier_command is None:
            raise ValueError("ITS_NOTIFIER=command needs ITS_NOTIFIER_COMMAND")
        return CommandNotifier(settings.notifier_command)
    if settings.notifier_webhook_url is None:
        raise ValueError("ITS_NOTIFIER=webhook needs ITS_NOTIFIER_WEBHOOK_URL")
    return WebhookNotifier(settings.notifier_webhook_url.get_secret_value())
