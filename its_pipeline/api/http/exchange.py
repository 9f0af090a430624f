"""One request and its answer as the admission and the routes see it together.

What belongs here: who asks, for whom, and what came of it. What does not: reading it from HTTP
(`admission`) or writing it down (`audit`, `monitoring`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.http.tokens import Caller

_STATE = "its_exchange"


@dataclass
class Exchange:
    """What is known of one request.

    Attributes
    ----------
    method, path, client
        Of the request; `client` is the address.
    request_id
        Reference of this request in answers and logs.
    caller
        Who asks; None until the admission knows.
    user_id, intervention_id, mlflow_run_id
        For whom, and what came of it, for the audit log.
    problem
        Code of the refusal, if it was one.
    let_in
        Whether the admission let it in: what it did is written down, and a refusal at the door
        counted.
    on_authorised
        Called when it is known for whom something is to be written, before it is; raises where it
        must not be.
    is_forgotten
        Tells of whom everything was, or is being, deleted.
    """

    method: str
    path: str
    client: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    caller: Caller | None = None
    user_id: str | None = None
    intervention_id: str | None = None
    mlflow_run_id: str | None = None
    problem: str | None = None
    let_in: bool = False
    on_authorised: Callable[[], None] | None = field(default=None, repr=False)
    is_forgotten: Callable[[str], bool] = field(default=lambda _: False, repr=False)

    @property
    def caller_name(self) -> str:
        """Whose share of the server this takes: the token's name."""
        return self.caller.name if self.caller is not None else ""

    def authorise(self, user_id: str, *, even_forgotten: bool = False) -> None:
        """Note for whom this is, and refuse it where the caller may not.

        Parameters
        ----------
        user_id
            For whom.
        even_forgotten
            Whether it may be about somebody who was forgotten.

        Raises
        ------
        Problem
            ``forbidden``; whether that user exists is not told. ``unknown_user`` where they were
            forgotten. ``audit_unavailable`` where it cannot be written down who is about to write.
        """
        self.user_id = user_id
        if self.caller is None:
            raise Problem("unauthenticated", "the request carries no bearer token")
        if not self.caller.may_see(user_id):
            raise Problem(
                "forbidden",
                f"the token {self.caller.name!r} is for one person's own data",
                value=user_id,
            )
        if not even_forgotten and self.is_forgotten(user_id):
            raise Problem(
                "unknown_user",
                "everything of this user was deleted on request",
                remedy="who runs this server can take them in again: `its-pipeline forget --lift`",
                value=user_id,
            )
        if self.on_authorised is not None:
            self.on_authorised()

    def may_see(self, user_id: str) -> bool:
        """Tell whether the caller may see a person's data; for answers that hide what exists."""
        may_see = self.caller is not None and self.caller.may_see(user_id)
        return may_see and not self.is_forgotten(user_id)

    def require_service(self) -> None:
        """Refuse what a person's own token may not do.

        Raises
        ------
        Problem
            ``forbidden``.
        """
        if self.caller is None or not self.caller.is_service:
            raise Problem(
                "forbidden", "this is for service tokens", remedy="use a token of scope service"
            )

    def put(self, scope: MutableMapping[str, Any]) -> None:
        """Give it to the routes."""
        scope.setdefault("state", {})[_STATE] = self

    @staticmethod
    def of(scope: MutableMapping[str, Any]) -> Exchange:
        """Return what `put` gave."""
        return scope["state"][_STATE]
