INSERT INTO notice (run, block, event, at, state, step, detail, tries, due_at, error)
VALUES
    (1, 0, 'failed', 5.5, 'failed', '', '', 2, 9.5, 'refused');
