-- One outcome metric by person and local day. Morning 5-12, afternoon 12-17, evening 17-22 o'clock.
INSERT INTO outcomes
SELECT
    user_id,
    DATE '1970-01-01' + local_day::INTEGER AS day,
    {{name}} AS outcome,
    total AS value,
    n_events::INTEGER AS n_events,
    mornings / n_events AS share_morning,
    afternoons / n_events AS share_afternoon,
    evenings / n_events AS share_evening,
    (n_events - mornings - afternoons - evenings) / n_events AS share_night
FROM (
    SELECT
        user_id,
        local_day,
        {{aggregate}} AS total,
        count(*) AS n_events,
        count_if(clock_us >= 18000000000 AND clock_us < 43200000000) AS mornings,
        count_if(clock_us >= 43200000000 AND clock_us < 61200000000) AS afternoons,
        count_if(clock_us >= 61200000000 AND clock_us < 79200000000) AS evenings
    FROM (
        SELECT user_id, local_day, clock_us, {{value}} AS value
        FROM local_events
        WHERE {{events}}
    )
    WHERE {{legal}}
    GROUP BY user_id, local_day
)
