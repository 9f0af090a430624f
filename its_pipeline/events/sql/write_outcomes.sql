-- Sorted, with small row groups, so that one person's series is a few row groups of the file.
COPY (
    SELECT
        user_id, outcome, day, value, n_events,
        share_morning, share_afternoon, share_evening, share_night
    FROM outcomes
    ORDER BY user_id, outcome, day
) TO {{path}} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {{row_group_size}})
