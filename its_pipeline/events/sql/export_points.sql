-- What counts: each good reading once, of hourly metrics an hour's sum or mean, with its local day.
-- Sums are taken in whole millionths, so that their bits depend on no order.
CREATE TEMP TABLE points AS
WITH once AS (
    SELECT metric, source, time_zone, epoch_us(start_instant) AS start_us,
        epoch_us(end_instant) AS end_us, epoch_us(instant) AS at_us, number,
        any_value(summed) AS summed, any_value(hourly) AS hourly
    FROM readings
    WHERE good
    GROUP BY ALL
), localised AS (
    SELECT *, epoch_us(timezone(time_zone, make_timestamptz(at_us))) AS local_us FROM once
)
SELECT metric, source, time_zone, summed,
    at_us - local_us % 3600000000 AS at_us,
    at_us - local_us % 3600000000 AS start_us,
    at_us - local_us % 3600000000 + 3600000000 AS end_us,
    DATE '1970-01-01' + (local_us // 86400000000)::INTEGER AS local_day,
    sum(number::DECIMAL(18, 6))::DOUBLE / CASE WHEN summed THEN 1 ELSE count(*) END AS value,
    count(*) AS readings,
    1 AS ordinal
FROM localised
WHERE hourly
GROUP BY ALL
UNION ALL
SELECT metric, source, time_zone, summed, at_us, start_us, end_us,
    DATE '1970-01-01' + (local_us // 86400000000)::INTEGER, number, 1,
    row_number() OVER (PARTITION BY metric, source, start_us, end_us ORDER BY number)
FROM localised
WHERE NOT hourly
