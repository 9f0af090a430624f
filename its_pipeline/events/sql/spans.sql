-- First and last local day with any event, by person.
CREATE OR REPLACE TEMP TABLE spans AS
SELECT
    user_id,
    DATE '1970-01-01' + min(local_day)::INTEGER AS first_on,
    DATE '1970-01-01' + max(local_day)::INTEGER AS last_on
FROM local_events
GROUP BY user_id
