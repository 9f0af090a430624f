-- Row numbers of the working file whose event was delivered again on its day: all but the newest.
-- Ties on ingested_at are broken by contents, so that the order of delivery leaves no trace.
CREATE OR REPLACE TEMP TABLE losers AS
WITH repeated AS (
    SELECT place, event_id
    FROM read_parquet($file, hive_partitioning = false)
    GROUP BY place, event_id
    HAVING count(*) > 1
),
deliveries AS (
    SELECT
        file_row_number AS row_number_in_file,
        row_number() OVER (
            PARTITION BY place, event_id
            ORDER BY
                ingested_at DESC,
                md5(concat_ws(
                    chr(31), user_id, occurred_at, event_type, coalesce(time_zone, chr(30)),
                    coalesce(session_performance_score::VARCHAR, chr(30)),
                    coalesce(engagement_level, chr(30)), coalesce(completion_quality, chr(30)),
                    coalesce(content_type, chr(30)), coalesce(difficulty_level, chr(30)),
                    coalesce(experiment_phase, chr(30)), coalesce(event_data, chr(30))
                )) DESC,
                file_row_number
        ) AS standing
    FROM read_parquet($file, file_row_number = true, hive_partitioning = false)
    SEMI JOIN repeated USING (place, event_id)
)
SELECT row_number_in_file FROM deliveries WHERE standing > 1
