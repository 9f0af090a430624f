-- Valid events, one an event_id and day, day after day in the lake's order.
SELECT * EXCLUDE (file_row_number)
FROM read_parquet($file, file_row_number = true, hive_partitioning = false)
WHERE file_row_number NOT IN (SELECT row_number_in_file FROM losers)
ORDER BY place, user_id, occurred_at, event_id
