-- What has to be known of people once their events are gone: a row each.
COPY (
    SELECT s.user_id, s.first_on, s.last_on, max_by(time_zone, (occurred_at, time_zone)) AS home_zone,
        max(occurred_at) AS seen_at
    FROM spans AS s
    LEFT JOIN (SELECT * FROM {{seen}} WHERE time_zone IS NOT NULL) USING (user_id)
    GROUP BY ALL
    ORDER BY s.user_id
) TO {{path}} (FORMAT parquet, COMPRESSION zstd)
