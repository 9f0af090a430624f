-- The zones that people were seen in, also on days whose events are gone: a subquery.
(
    SELECT user_id, time_zone, occurred_at FROM read_parquet({{files}}, hive_partitioning = false)
    UNION ALL
    SELECT user_id, home_zone, seen_at FROM read_parquet({{people}}, hive_partitioning = false)
)
