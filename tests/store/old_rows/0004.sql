UPDATE run SET size = (SELECT count(*) FROM task WHERE task.run = run.number);

UPDATE task SET state = 'expanded', detail = '2 tasks' WHERE run = 1 AND ordinal = 1;

INSERT INTO task (run, ordinal, step, key, fence, attempt, priority, detail, state)
VALUES
    (1, 3, 1, 'each[a]', 1, 1, 2, '', 'succeeded'),
    (1, 4, 1, 'each[ü''; --]', 1, 1, 2, '', 'succeeded');

INSERT INTO expansion (run, step, first, items)
VALUES
    (1, 1, 3, '[["lit", "a"], ["lit", "ü''; --"]]');

UPDATE run SET size = 5 WHERE number = 1;
