-- How many raw events each UTC day has, and a digest of them that does not depend on their order.
-- When they were taken, and in which row of the file they stood, is not part of it.
SELECT assigned_day::VARCHAR, count(*), sum(md5_number_lower(event::VARCHAR))::VARCHAR
FROM (
    SELECT event, event.assigned_day AS assigned_day
    FROM (SELECT * EXCLUDE (ingested_at, file_row) FROM read_parquet($file)) AS event
)
GROUP BY assigned_day
ORDER BY assigned_day
