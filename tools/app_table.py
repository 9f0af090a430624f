"""The app's table `behavioral_events` as the first user has it in PostgreSQL, and filling it."""

from __future__ import annotations

CREATE = """
CREATE TYPE "EventType" AS ENUM ('SESSION_STARTED', 'SESSION_ENDED', 'MISSION_STARTED',
    'MISSION_COMPLETED', 'CARD_REVIEWED', 'VALIDATION_COMPLETED', 'LECTURE_UPLOADED',
    'SEARCH_PERFORMED', 'GRAPH_VIEWED', 'RECOMMENDATION_VIEWED');
CREATE TYPE "EngagementLevel" AS ENUM ('LOW', 'MEDIUM', 'HIGH');
CREATE TYPE "CompletionQuality" AS ENUM ('RUSHED', 'NORMAL', 'THOROUGH');
CREATE TABLE behavioral_events (
    id TEXT PRIMARY KEY,
    "userId" TEXT NOT NULL,
    "eventType" "EventType" NOT NULL,
    "eventData" JSONB NOT NULL,
    "timestamp" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "completionQuality" "CompletionQuality",
    "contentType" TEXT,
    "dayOfWeek" INTEGER,
    "difficultyLevel" TEXT,
    "engagementLevel" "EngagementLevel",
    "sessionPerformanceScore" INTEGER,
    "timeOfDay" INTEGER,
    "experimentPhase" TEXT,
    "randomizationSeed" INTEGER,
    "contextMetadataId" TEXT
);
CREATE INDEX ON behavioral_events ("timestamp");
"""


def insert(first: int, count: int, start: str, days: int, users: int = 50) -> str:
    """Return a statement that inserts `count` events numbered from `first` over some days."""
    return f"""
    INSERT INTO behavioral_events (id, "userId", "eventType", "eventData", "timestamp",
        "completionQuality", "engagementLevel", "sessionPerformanceScore", "timeOfDay")
    SELECT
        'c' || lpad(n::text, 12, '0'),
        'user' || (n * 7919 % {users}),
        CASE WHEN n % 4 = 0 THEN 'CARD_REVIEWED' ELSE 'SESSION_ENDED' END::"EventType",
        jsonb_build_object('distraction_minutes', n % 60, 'n', n),
        timestamp '{start}'
            + (n * 21600007 % ({days}::bigint * 86400000)) * interval '1 millisecond',
        (ARRAY['RUSHED', 'NORMAL', 'THOROUGH'])[1 + n % 3]::"CompletionQuality",
        'MEDIUM',
        CASE WHEN n % 4 = 0 THEN NULL ELSE (n * 31 % 101)::int END,
        (n % 24)::int
    FROM generate_series({first}::bigint, {first + count - 1}::bigint) AS n;
    """
