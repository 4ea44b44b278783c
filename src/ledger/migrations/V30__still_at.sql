-- Where a number was before it was erased here, by its keyed hash: which campaigns' platforms have it, and which
-- destinations were told it. Once it is erased nothing else tells.
CREATE TABLE suppression_holder (
    hash TEXT NOT NULL,
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    PRIMARY KEY (hash, campaign_id)
) CLUSTERED;

CREATE TABLE suppression_told (
    hash TEXT NOT NULL,
    destination_id BIGINT NOT NULL REFERENCES destination (id),
    PRIMARY KEY (hash, destination_id)
) CLUSTERED;
