INSERT INTO approval (run, ordinal, approved, who, reason, prompt, at)
VALUES
    (1, 2, true, 'anna', 'it''s fine', 'go?', 3);
