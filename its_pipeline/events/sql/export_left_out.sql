-- Readings on days that another device counts for.
SELECT metric, source, sum(readings)::BIGINT FROM points ANTI JOIN chosen USING (metric, local_day, source)
GROUP BY ALL
