-- Events with their local time: microseconds since 1970 as the person's clock showed it.
-- Days are counted from year 0 on, 719528 ahead of 1970, so that division never meets a negative.
-- `offsets` has, per zone and UTC day, the zone's offset and the moment it changes on that day.
CREATE OR REPLACE TEMP VIEW local_events AS
SELECT
    e.* EXCLUDE (utc_us, utc_day),
    e.utc_us + CASE WHEN e.utc_us < o.changes_at THEN o.offset_us ELSE o.later_offset_us END
        AS local_us,
    (local_us + 62167219200000000) // 86400000000 - 719528 AS local_day,
    (local_us + 62167219200000000) % 86400000000 AS clock_us
FROM (
    SELECT
        *,
        (epoch_us(occurred_at) + 62167219200000000) // 86400000000 - 719528 AS utc_day,
        epoch_us(occurred_at) AS utc_us,
        {{zone}} AS zone
    FROM read_parquet({{files}}, hive_partitioning = false)
    {{home_zones}}
) AS e
JOIN offsets AS o ON o.zone = e.zone AND o.utc_day = e.utc_day
