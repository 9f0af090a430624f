-- First and last local day with any event, by person.
CREATE OR REPLACE TEMP TABLE spans AS
SELECT
    user_id,
    DATE '1970-01-01' + (min(local_us) // 86400000000)::INTEGER AS first_on,
    DATE '1970-01-01' + (max(local_us) // 86400000000)::INTEGER AS last_on
FROM local_events
GROUP BY user_id
