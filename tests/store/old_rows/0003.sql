UPDATE attempt SET cache = '{"key": "k", "parts": {}, "hit": null, "note": ""}' WHERE ordinal = 0;

UPDATE run SET fresh = true WHERE number = 2;

UPDATE task SET cached_from = 1 WHERE run = 2 AND ordinal = 0;
