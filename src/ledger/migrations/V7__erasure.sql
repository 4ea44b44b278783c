-- Numbers that were erased, by a keyed hash; the number itself is nowhere.
CREATE TABLE suppression (
    hash TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL
);
-- Since when an attempt's number is gone: later reports of it are not taken over.
ALTER TABLE attempt ADD COLUMN erased_at BIGINT;
