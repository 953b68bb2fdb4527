INSERT INTO observer (plugin, seq, tries, due_at, passed_over, holder, held_until)
VALUES ('tide-audit:audit', 3, 1, 5.0, 2, 'host-1', 9.0);
