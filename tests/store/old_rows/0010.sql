INSERT INTO duration (pipeline, step, samples, mean, spread)
VALUES ('nightly', 'build', 12, 61.5, 4.25);
INSERT INTO cordon (worker, at, by, reason)
VALUES ('w1', 60.0, 'anna', 'a new disk');
INSERT INTO alarm (run, ordinal, kind, at, pooled)
SELECT min(number), -1, 'missed', 2000.5, true FROM run;
INSERT INTO "trigger" (number, pipeline, identity, kind, source, place, digest, heard_at, fired_at, fired_run, trouble, trouble_at)
VALUES (1, 'p', 'abc', 'event', 'git.push', 0, 'd', 3.0, 3.5, NULL, 'it has no branch', 4.0);
INSERT INTO arrival (seq, kind, source, key, payload, origin, received_at, taken)
VALUES (1, 'event', 'git.push', 'k1', '{"branch": "main"}', 'emit', 3.0, true);
INSERT INTO held ("trigger", key, until, due_at, first_at, params, cause)
VALUES (1, 'k1', NULL, 9.0, 3.0, '{}', '{"kind": "event"}');
INSERT INTO backfill (pipeline, spec, params, next_due, last, total, max_parallel, created_at,
                      created_by, look_at, made, ended_at, detail)
VALUES ('nightly', '{"cron": "0 2 * * *", "every": null, "timezone": "UTC"}', '{}', 1767312000.0,
        1767484800.0, 4, 2, 1767600000.0, 'anna', 1767600060.0, 1, NULL, '');
