INSERT INTO duration (pipeline, step, samples, mean, spread)
VALUES ('nightly', 'build', 12, 61.5, 4.25);
INSERT INTO cordon (worker, at, by, reason)
VALUES ('w1', 60.0, 'anna', 'a new disk');
