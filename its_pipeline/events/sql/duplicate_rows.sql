-- The rows that lost to a newer delivery of the same event, in the order of the working file.
SELECT * EXCLUDE (file_row_number)
FROM read_parquet($file, file_row_number = true, hive_partitioning = false)
WHERE file_row_number IN (SELECT row_number_in_file FROM losers)
ORDER BY file_row_number
