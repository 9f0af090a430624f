-- Real zeros: days of a person's observed span (first to last event of any kind) without an event
-- that counts for this metric. They have no time-of-day shares.
INSERT INTO outcomes
SELECT s.user_id, s.day, {{name}}, 0.0, 0, NULL, NULL, NULL, NULL
FROM (
    SELECT user_id, unnest(generate_series(first_on, last_on, INTERVAL 1 DAY))::DATE AS day
    FROM spans
) AS s
ANTI JOIN (FROM outcomes WHERE outcome = {{name}}) AS o
    ON o.user_id = s.user_id AND o.day = s.day
