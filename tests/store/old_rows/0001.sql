INSERT INTO version (digest, pipeline, content, created_at)
VALUES
    (:p, 'p', :p_content, 1),
    (:inner, 'inner', :inner_content, 1);

INSERT INTO run (digest, pipeline, file, params, excluded, detail, state, created_at, started_at, ended_at, open, failed)
VALUES
    (:p, 'p', 'p.tide', '{"who": "anna"}', '[]', '', 'failed', 1, 2, 9, 0, 1),
    (:p, 'p', 'p.tide', '{"who": "bert"}', '[]', 'it''s', 'succeeded', 1, 2, 9, 0, 0);

UPDATE run SET retry_of = 1, origin = 1 WHERE number = 2;

INSERT INTO stage (run, step, waiting_on, open, failed, skipped, unmet, tasks) SELECT number, s.step, 0, 0, 0, 0, 0, 1
FROM run, (SELECT 0 AS step UNION SELECT 1 UNION SELECT 2) AS s;

INSERT INTO task (run, ordinal, step, key, fence, attempt, priority, detail, state, started_at, ended_at, exit_code, outputs)
VALUES
    (1, 0, 0, 'find', 1, 1, 2, '', 'succeeded', 2, 3, 0, '{"names": ["a", "ü''; --"]}'),
    (1, 1, 1, 'each', 1, 1, 2, '', 'succeeded', 3, 4, 0, NULL),
    (1, 2, 2, 'last', 1, 1, 2, 'it failed', 'failed', 4, 5, 3, NULL),
    (2, 0, 0, 'find', 0, 0, 2, '', 'succeeded', 2, 3, 0, '{"names": []}');

INSERT INTO attempt (run, ordinal, fence, number, worker, started_at, ended_at, outcome, exit_code, detail, cpu_seconds, peak_memory)
VALUES
    (1, 0, 1, 1, 'w', 2, 3, 'exited', 0, '', 0.1, 2147483647),
    (1, 2, 1, 1, 'w', 4, 5, 'exited', 3, '', 0.1, 5);

INSERT INTO outbox (at, kind, run, ordinal, data)
VALUES
    (1, 'run', 1, NULL, '{"state": "failed"}'),
    (2, 'task', 1, 0, '{}');
