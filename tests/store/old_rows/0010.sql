INSERT INTO duration (pipeline, step, samples, mean, spread)
VALUES ('nightly', 'build', 12, 61.5, 4.25);
INSERT INTO cordon (worker, at, by, reason)
VALUES ('w1', 60.0, 'anna', 'a new disk');
INSERT INTO alarm (run, ordinal, kind, at, pooled)
SELECT min(number), -1, 'missed', 2000.5, true FROM run;
