-- What counts: each good reading once; of hourly metrics an hour's sum or mean; with its local day.
-- Sums are taken in whole millionths, so that their bits depend on no order.
CREATE TEMP TABLE points AS
WITH once AS (
    SELECT DISTINCT metric, source, time_zone, summed, hourly, number,
        epoch_us(start_instant) AS start_us, epoch_us(end_instant) AS end_us,
        epoch_us(instant) AS us
    FROM readings
    WHERE good
), localised AS (
    SELECT *, epoch_us(timezone(time_zone, make_timestamptz(us))) AS local_us
    FROM once
), hours AS (
    SELECT metric, source, time_zone, summed, us - local_us % 3600000000 AS hour_us,
        local_us // 86400000000 AS local_day, sum(number::DECIMAL(18, 6))::DOUBLE AS total,
        count(*) AS readings
    FROM localised
    WHERE hourly
    GROUP BY ALL
)
SELECT metric, source, time_zone, summed, hour_us AS us, hour_us AS start_us,
    hour_us + 3600000000 AS end_us, DATE '1970-01-01' + local_day::INTEGER AS local_day,
    total / CASE WHEN summed THEN 1 ELSE readings END AS value, readings, 1 AS ordinal
FROM hours
UNION ALL
SELECT metric, source, time_zone, summed, us, start_us, end_us,
    DATE '1970-01-01' + (local_us // 86400000000)::INTEGER, number, 1,
    row_number() OVER (PARTITION BY metric, source, start_us, end_us ORDER BY number)
FROM localised
WHERE NOT hourly
