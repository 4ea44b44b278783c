-- Whom a client wants results told to: a destination that takes only what names it.
ALTER TABLE destination ADD COLUMN is_receiver BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE campaign ADD COLUMN receiver_id BIGINT;
CREATE INDEX campaign_by_receiver ON campaign (receiver_id) WHERE receiver_id IS NOT NULL;
ALTER TABLE account ADD COLUMN receiver_id BIGINT;

-- The same of a campaign that its home is being asked to make: it is known by its name until it is met.
CREATE TABLE intended_receiver (
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    receiver_id BIGINT NOT NULL REFERENCES destination (id),
    at BIGINT NOT NULL,
    PRIMARY KEY (account_id, name)
);

-- The only campaign, by its native id, of which results may come to the address that a push came to.
ALTER TABLE inbox ADD COLUMN only_campaign TEXT;
