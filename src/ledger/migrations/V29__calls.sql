-- What a platform calls a call is a column of every attempt that has one, so that an attempt is found by it. Where
-- the call tells nothing beside its row, no closer look is needed. It used to stand in the business key alone,
-- between VDN, campaign and time; business keys without these three slashes are a call's or an attempt's own id.
-- What a closer look at a call told is kept, too: when it rang and was answered, and who ended it.
-- A program for schema 27 writes attempts without it, so 28 is left out: that program refuses this schema.
ALTER TABLE attempt ADD COLUMN ringing_at BIGINT;
ALTER TABLE attempt ADD COLUMN answered_at BIGINT;
ALTER TABLE attempt ADD COLUMN ended_by TEXT;

UPDATE attempt SET call_id = named.call_id, is_explained = TRUE
FROM (
    SELECT behind.id, rtrim(rtrim(behind.rest, replace(behind.rest, '/', '')), '/') AS call_id
    FROM (
        SELECT vdn.id, substr(vdn.rest, POSITION(vdn.rest, '/') + 1) AS rest
        FROM (
            SELECT t.id, substr(t.native, POSITION(t.native, '/') + 1) AS rest
            FROM attempt t WHERE t.native LIKE '%/%/%/%' AND t.call_id IS NULL
        ) vdn
    ) behind WHERE substr(behind.rest, 1, 1) <> '/'
) named WHERE attempt.id = named.id AND named.call_id <> '';
