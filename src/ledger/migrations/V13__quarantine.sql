-- A push that is no UTF-8 text as it came: its bytes in hexadecimal digits, and what its sender declared.
ALTER TABLE event ADD COLUMN encoding TEXT;
ALTER TABLE event ADD COLUMN content_type TEXT;
ALTER TABLE event ADD COLUMN content_encoding TEXT;
-- The places of its rows that wait; the others are settled. NULL: all of them wait.
ALTER TABLE inbox ADD COLUMN waiting TEXT;
-- Whether it was proved to be the platform's, how long it is, the only campaign that its address allows,
-- and what its sender declared.
ALTER TABLE quarantine ADD COLUMN is_proved BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE quarantine ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN only_campaign TEXT;
ALTER TABLE quarantine ADD COLUMN content_type TEXT;
ALTER TABLE quarantine ADD COLUMN content_encoding TEXT;
UPDATE quarantine SET bytes = CASE WHEN encoding = 'hex' THEN LENGTH(body) / 2 ELSE LENGTH(body) END;
