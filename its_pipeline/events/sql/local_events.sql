-- Events with their local time: microseconds since 1970 as the person's clock showed it.
-- `offsets` has, per zone and UTC day, the zone's offset and the moment it changes on that day.
CREATE OR REPLACE TEMP VIEW local_events AS
SELECT
    e.* EXCLUDE (utc_us),
    e.utc_us + CASE WHEN e.utc_us < o.changes_at THEN o.offset_us ELSE o.later_offset_us END
        AS local_us
FROM (
    SELECT
        *,
        epoch_us(occurred_at) AS utc_us,
        {{zone}} AS zone
    FROM read_parquet({{files}}, hive_partitioning = false)
    {{home_zones}}
) AS e
JOIN offsets AS o ON o.zone = e.zone AND o.utc_day = e.utc_us // 86400000000
