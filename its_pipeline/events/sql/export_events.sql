-- The raw events of an export: what counts by the device chosen for the day, and what is broken.
CREATE TEMP TABLE chosen AS
SELECT metric, local_day, source
FROM points
GROUP BY metric, local_day, source
QUALIFY row_number() OVER (
    PARTITION BY metric, local_day
    ORDER BY CASE WHEN any_value(summed) THEN sum(value) ELSE sum(readings) END DESC, source
) = 1;
COPY (
    SELECT event_id, {{user}} AS user_id, occurred_at, metric AS event_type, time_zone,
        NULL::VARCHAR AS session_performance_score, NULL::VARCHAR AS engagement_level,
        NULL::VARCHAR AS completion_quality, NULL::VARCHAR AS content_type,
        NULL::VARCHAR AS difficulty_level, NULL::VARCHAR AS experiment_phase,
        event_data, {{ingested_at}} AS ingested_at, assigned_day, 0::BIGINT AS file_row
    FROM (
        SELECT metric, time_zone,
            md5(concat_ws('|', {{user}}, metric, source, start_us, end_us)
                || CASE WHEN ordinal > 1 THEN '#' || ordinal ELSE '' END) AS event_id,
            strftime(make_timestamp(us), '%Y-%m-%dT%H:%M:%S.%fZ') AS occurred_at,
            '{"value": ' || value::VARCHAR || ', "readings": ' || readings || ', "source": '
                || to_json(source)::VARCHAR || '}' AS event_data,
            make_timestamp(us)::DATE AS assigned_day
        FROM points SEMI JOIN chosen USING (metric, local_day, source)
        UNION ALL
        SELECT metric, nullif(time_zone, ''),
            md5(concat_ws('|', {{user}}, metric, source, counted_at, value, place)),
            coalesce(strftime(instant AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'), counted_at),
            '{"value": ' || coalesce(number::VARCHAR, to_json(value)::VARCHAR) || ', "source": '
                || to_json(source)::VARCHAR || ', "place": ' || to_json(place)::VARCHAR || '}',
            coalesce(
                CASE WHEN timely THEN (instant AT TIME ZONE 'UTC')::DATE END,
                (SELECT max(make_timestamp(us)::DATE) FROM points)
            )
        FROM readings
        WHERE NOT good
    )
    ORDER BY assigned_day, event_type, event_id
) TO {{target}} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)
