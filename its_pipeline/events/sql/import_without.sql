-- An import's events without some people, in the form that `import_events` gives them.
COPY (
    SELECT *
    FROM read_parquet({{rows}})
    WHERE user_id IS NULL OR trim(user_id) NOT IN ({{people}})
    ORDER BY assigned_day, file_row
) TO {{target}} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)
