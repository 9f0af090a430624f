-- Of every raw event, a mark of its person and one of itself. When it was taken is not part of it.
SELECT
    md5_number_lower(coalesce(trim(event.user_id::VARCHAR), '')) AS person,
    md5_number_lower(event::VARCHAR) AS event
FROM (SELECT * EXCLUDE (ingested_at) FROM raw_events) AS event
