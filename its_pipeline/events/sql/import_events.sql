-- A foreign file's rows as raw events, ready to be read a UTC day at a time.
COPY (
    SELECT {{events}}
    FROM read_parquet({{rows}})
    ORDER BY assigned_day, file_row
) TO {{target}} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)
