INSERT INTO duration (pipeline, step, samples, mean, spread)
VALUES ('nightly', 'build', 12, 61.5, 4.25);
