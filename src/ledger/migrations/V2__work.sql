-- SURROGATE and PUBLIC_ID as in V1.

-- Documents that the gateway keeps in the words of a client's platform: a campaign that its home
-- does not have yet, parts that a home has no objects for, and what a client wrote of a campaign on
-- a home that cannot say it ('bound': base is how our rendering looked then).
CREATE TABLE object (
    id SURROGATE,
    uuid PUBLIC_ID NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    shape TEXT NOT NULL,
    -- A contact's list, a list's campaign.
    parent PUBLIC_ID,
    -- A campaign's dialling rules.
    uses PUBLIC_ID,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    base TEXT,
    state TEXT NOT NULL,
    list_at BIGINT NOT NULL UNIQUE,
    updated_at BIGINT,
    deleted_at BIGINT
);
CREATE INDEX object_by_account ON object (kind, account_id, list_at);
CREATE INDEX object_by_parent ON object (parent, kind, list_at);
CREATE INDEX object_by_use ON object (uses);
CREATE INDEX object_by_name ON object (account_id, name) WHERE state = 'creating';

CREATE TABLE job (
    id SURROGATE,
    uuid PUBLIC_ID NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject PUBLIC_ID,
    account_id BIGINT NOT NULL REFERENCES account (id),
    actor TEXT NOT NULL,
    request_id TEXT,
    input TEXT NOT NULL,
    checkpoint TEXT,
    in_doubt BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    lease_owner PUBLIC_ID,
    lease_until BIGINT,
    -- Grows with every lease; who holds an older one may change nothing.
    fence BIGINT NOT NULL,
    error TEXT,
    answer TEXT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX job_unfinished ON job (kind, subject) WHERE state IN ('waiting', 'running');
CREATE INDEX job_due ON job (state, run_at);
CREATE INDEX job_by_account ON job (account_id, id);

CREATE TABLE job_step (
    id SURROGATE,
    job_id BIGINT NOT NULL REFERENCES job (id),
    name TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT,
    checkpoint TEXT
);
CREATE INDEX job_step_by_job ON job_step (job_id, id);

-- Answers to requests that carry an idempotency key. Without an answer the request is under way.
CREATE TABLE idempotency (
    client TEXT NOT NULL,
    request_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    body TEXT,
    begun_at BIGINT NOT NULL,
    PRIMARY KEY (client, request_key)
);
CREATE INDEX idempotency_by_age ON idempotency (begun_at);

-- Log-in sessions; the token itself is nowhere.
CREATE TABLE session (
    token_hash TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- When an account's campaigns were last listed to the end, and since when that fails.
CREATE TABLE account_reading (
    account_id BIGINT PRIMARY KEY REFERENCES account (id),
    listed_at BIGINT,
    failed_since BIGINT,
    error TEXT
);

ALTER TABLE attempt ADD COLUMN deleted_at BIGINT;
