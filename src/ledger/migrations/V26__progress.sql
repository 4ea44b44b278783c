-- How far a contact is is kept by what each attempt adds or takes away, so counts instead of whether there is one.
-- It takes away columns that schema 24 writes, so its number leaves one out: a program for schema 24 refuses
-- this one instead of failing on it.
ALTER TABLE contact_state ADD COLUMN reached BIGINT NOT NULL DEFAULT 0;
ALTER TABLE contact_state ADD COLUMN successes BIGINT NOT NULL DEFAULT 0;
UPDATE contact_state SET
    reached = (SELECT COUNT(*) FROM attempt t WHERE t.campaign_id = contact_state.campaign_id
        AND t.contact_reference = contact_state.reference AND t.live_person),
    successes = (SELECT COUNT(*) FROM attempt t WHERE t.campaign_id = contact_state.campaign_id
        AND t.contact_reference = contact_state.reference AND t.result = 'success');
ALTER TABLE contact_state DROP COLUMN is_reached;
ALTER TABLE contact_state DROP COLUMN has_success;

-- Rows of a large push that are recorded and counted already: it is settled in parts.
ALTER TABLE inbox ADD COLUMN settled BIGINT NOT NULL DEFAULT 0;

-- What is looked for whenever something is written must not cost more the more is kept: the oldest of what is
-- in quarantine (without reading bodies), sessions that are over, and destinations that are not removed.
DROP INDEX quarantine_by_account;
CREATE INDEX quarantine_by_account ON quarantine (account_id, is_proved, id, bytes);
CREATE INDEX session_by_end ON session (expires_at);
CREATE INDEX session_by_login ON session (client, login);
CREATE INDEX destination_living ON destination (id) WHERE state <> 'removed';
