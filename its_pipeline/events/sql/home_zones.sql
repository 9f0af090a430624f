-- The zone a person was last seen in, for events that do not say theirs.
CREATE OR REPLACE TEMP TABLE home_zones AS
SELECT user_id, max_by(time_zone, (occurred_at, time_zone)) AS home_zone
FROM {{seen}}
WHERE time_zone IS NOT NULL
GROUP BY user_id
