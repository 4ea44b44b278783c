-- What results come to; kept in the transaction in which a result is, and made anew from attempts.
-- CLUSTERED: where the store can, rows are kept in the order of their key.

-- Attempts by quarter of an hour (its beginning), by when they were dialled or first heard of.
CREATE TABLE rollup (
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    bucket_at BIGINT NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    disposition TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    live_persons BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    successes BIGINT NOT NULL,
    -- From dialling to the end, of those of which both are known.
    duration_ms BIGINT NOT NULL,
    timed BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, bucket_at, account_id, disposition)
) CLUSTERED;

-- How far each contact is that attempts name.
CREATE TABLE contact_state (
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    reference TEXT NOT NULL,
    dials BIGINT NOT NULL,
    -- Of these, how many use up what the retry policy allows.
    counted BIGINT NOT NULL,
    is_reached BOOLEAN NOT NULL,
    has_success BOOLEAN NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    -- Of the last attempt.
    disposition TEXT NOT NULL,
    number_reusable BOOLEAN NOT NULL,
    contact_reusable BOOLEAN NOT NULL,
    PRIMARY KEY (campaign_id, reference)
) CLUSTERED;

-- Codes that no table knows, of attempts whose outcome is unknown for that reason.
CREATE TABLE unknown_code (
    account_id BIGINT NOT NULL REFERENCES account (id),
    code TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (account_id, code)
) CLUSTERED;

-- The call behind an attempt, where it is an object of its own, and whether it was looked at.
ALTER TABLE attempt ADD COLUMN call_id TEXT;
ALTER TABLE attempt ADD COLUMN is_explained BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX attempt_by_call ON attempt (account_id, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX attempt_unexplained ON attempt (account_id, id)
    WHERE call_id IS NOT NULL AND NOT is_explained AND result <> 'in-progress';

INSERT INTO rollup (campaign_id, bucket_at, account_id, disposition, attempts, live_persons, counted,
    successes, duration_ms, timed)
SELECT campaign_id, list_at - list_at % 900000000, account_id, disposition, COUNT(*),
    SUM(CASE WHEN live_person THEN 1 ELSE 0 END), SUM(CASE WHEN counts_as_attempt THEN 1 ELSE 0 END),
    SUM(CASE WHEN result = 'success' THEN 1 ELSE 0 END),
    COALESCE(SUM((ended_at - dialed_at) / 1000), 0), COUNT(ended_at - dialed_at)
FROM attempt GROUP BY campaign_id, list_at - list_at % 900000000, account_id, disposition;

INSERT INTO contact_state (campaign_id, reference, dials, counted, is_reached, has_success, first_at,
    last_at, disposition, number_reusable, contact_reusable)
SELECT t.campaign_id, t.contact_reference, s.dials, s.counted, s.reached = 1, s.success = 1, s.first_at,
    t.list_at, t.disposition, t.number_reusable, t.contact_reusable
FROM attempt t JOIN (
    SELECT campaign_id, contact_reference, COUNT(*) AS dials,
        SUM(CASE WHEN counts_as_attempt THEN 1 ELSE 0 END) AS counted,
        MAX(CASE WHEN live_person THEN 1 ELSE 0 END) AS reached,
        MAX(CASE WHEN result = 'success' THEN 1 ELSE 0 END) AS success,
        MIN(list_at) AS first_at, MAX(list_at) AS last_at
    FROM attempt WHERE contact_reference IS NOT NULL GROUP BY campaign_id, contact_reference
) s ON s.last_at = t.list_at;
