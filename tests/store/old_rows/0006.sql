INSERT INTO pipeline (name, digest, file, applied_at, applied_by)
VALUES
    ('p', :p, 'p.tide', 1, 'anna');

INSERT INTO schedule (pipeline, identity, spec, next_due)
VALUES
    ('p', 'i', '{}', 99);

INSERT INTO signal (run, cancel)
VALUES
    (1, false);

INSERT INTO worker (name, pool, slots, region, labels, draining, heard_at)
VALUES
    ('w', 'default', 4, 'eu', '{"a": "b"}', false, 5);

UPDATE run SET pooled = true, schedule = 1, due_at = 1 WHERE number = 1;

UPDATE task SET pool = 'default', worker = 'w', epoch = 'e' WHERE run = 1;

UPDATE attempt SET peak_memory = 21474836470 WHERE ordinal = 0;
