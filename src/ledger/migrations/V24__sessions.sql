-- Sessions are bound to the login that opened them. Those from before are bound to none, and end.
DROP TABLE session;
CREATE TABLE session (
    token_hash TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    login TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- For how long an answer is kept depends on what it answers: a key of the client's choice, or a signature.
ALTER TABLE idempotency ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
UPDATE idempotency SET expires_at = begun_at + 86400000000;
DROP INDEX idempotency_by_age;
CREATE INDEX idempotency_by_end ON idempotency (expires_at);
-- What the request changes: an answer does not hold any more when something else was asked of it since.
ALTER TABLE idempotency ADD COLUMN subject TEXT;
CREATE INDEX idempotency_by_subject ON idempotency (subject, begun_at) WHERE subject IS NOT NULL;
