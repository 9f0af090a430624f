-- Readings of an export with what they mean. `good` ones have a time, a number, and are in range.
CREATE TEMP VIEW readings AS
SELECT *, legal AND timely AS good
FROM (
    SELECT *,
        coalesce(number >= minimum AND number <= maximum, false) AS legal,
        coalesce(instant >= {{first_day}} AND instant <= {{last}}, false) AS timely
    FROM (
    SELECT r.*, m.minimum, m.maximum, m.summed, m.hourly,
        CASE WHEN regexp_full_match(r.value, {{number}}) AND isfinite(TRY_CAST(r.value AS DOUBLE))
            THEN TRY_CAST(r.value AS DOUBLE) END AS number,
        CASE WHEN regexp_full_match(r.counted_at, {{instant}})
            THEN TRY_CAST(trim(r.counted_at) AS TIMESTAMPTZ) END AS instant,
        TRY_CAST(r.started AS TIMESTAMPTZ) AS start_instant,
        TRY_CAST(r.ended AS TIMESTAMPTZ) AS end_instant
    FROM read_parquet({{readings}}) AS r JOIN metrics AS m USING (metric)
    )
)
