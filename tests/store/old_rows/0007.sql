INSERT INTO condemned (run)
VALUES
    (2);
