-- What platforms push, as it came; no key but its number. Copies are merged when it is processed.
CREATE TABLE inbox (
    id SURROGATE,
    account_id BIGINT NOT NULL REFERENCES account (id),
    received_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    -- When it is due, if it could not be processed yet; it was tried so often.
    due_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    processed_at BIGINT
);
CREATE INDEX inbox_waiting ON inbox (due_at, id) WHERE processed_at IS NULL;

-- What was received and means nothing that can be kept elsewhere.
CREATE TABLE quarantine (
    id SURROGATE,
    account_id BIGINT NOT NULL REFERENCES account (id),
    received_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    -- 'text', or 'hex' of what is no text.
    encoding TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX quarantine_by_account ON quarantine (account_id, id);
