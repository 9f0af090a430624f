"""What clients get about a person who leaves: the body of this response.

What belongs here: its fields and example. What does not: deleting (`questions.people`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DepartureAnswer(BaseModel):
    """What deleting a person came to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "anna",
                    "finished": True,
                    "deleted": {"experiments": 1, "daily outcomes": 90, "days of events": 90},
                    "left": [],
                }
            ]
        }
    )

    user_id: str = Field(description="The person; nothing of them is shown or taken any more.")
    finished: bool = Field(
        description="Whether everything is deleted; if not, the pipeline's next run goes on."
    )
    deleted: dict[str, int] = Field(description="How much was deleted this time, by what it was.")
    left: list[str] = Field(description="What has to wait, or somebody has to see to, in words.")
