INSERT INTO run (digest, pipeline, file, params, excluded, detail, state, created_at, ended_at, open, failed, size, picked, parent, parent_task, root)
VALUES
    (:inner, 'inner', 'p.tide', '{}', '[]', '', 'succeeded', 3, 4, 0, 0, 1, '[]', 1, 2, 1);

INSERT INTO task (run, ordinal, step, key, fence, attempt, priority, detail, state)
VALUES
    (3, 0, 0, 'only', 1, 1, 2, '', 'succeeded');

UPDATE task SET child = 3 WHERE run = 1 AND ordinal = 2;
