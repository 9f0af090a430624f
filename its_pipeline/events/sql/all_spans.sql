-- First and last local day with any event, by person, also of days whose events are gone.
CREATE OR REPLACE TEMP TABLE spans AS
SELECT user_id, min(first_on) AS first_on, max(last_on) AS last_on
FROM (
    SELECT user_id, first_on, last_on FROM spans
    UNION ALL
    SELECT user_id, first_on, last_on FROM read_parquet({{people}}, hive_partitioning = false)
)
GROUP BY user_id
