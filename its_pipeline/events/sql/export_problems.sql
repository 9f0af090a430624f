-- Kinds of broken readings, each with one of them.
SELECT metric, problem, count(*) AS readings, any_value(text), any_value(place)
FROM (
    SELECT metric, place,
        CASE WHEN instant IS NULL THEN 'its time cannot be read'
            WHEN number IS NULL THEN 'not a number'
            WHEN NOT legal
                THEN 'not in [' || minimum || ', ' || maximum || ']'
            ELSE 'before 2000 or in the future' END AS problem,
        CASE WHEN instant IS NULL OR legal
            THEN counted_at ELSE value END AS text
    FROM readings
    WHERE NOT good
)
GROUP BY ALL
ORDER BY readings DESC, metric, problem
