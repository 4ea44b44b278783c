-- How each campaign stands, apart from its snapshot: every start and stop writes it twice, and a row
-- with a document of some kilobytes takes a page of its own.
-- It takes away columns that schema 10 reads, so its number leaves one out: a program for schema 10
-- refuses this one instead of failing on it.
CREATE TABLE campaign_state (
    campaign_id BIGINT PRIMARY KEY REFERENCES campaign (id),
    -- What clients want of it, or last found on its platform.
    desired TEXT NOT NULL,
    actual TEXT NOT NULL,
    -- When a client last wanted it started or stopped: what was seen before that no longer counts.
    wanted_at BIGINT NOT NULL,
    -- When its platform was asked last how it stands, or did what was wanted.
    fetched_at BIGINT NOT NULL,
    -- Since when its platform does not know it any more.
    gone_at BIGINT,
    -- The newest entry of the journal about it; each names the one before it. An index would cost every
    -- entry a page of its own: those of one commit are about as many campaigns.
    last_entry BIGINT
) CLUSTERED;

ALTER TABLE journal ADD COLUMN previous BIGINT;
UPDATE journal SET previous = (SELECT MAX(p.id) FROM journal p
    WHERE p.campaign_id = journal.campaign_id AND p.id < journal.id)
WHERE campaign_id IS NOT NULL;

INSERT INTO campaign_state (campaign_id, desired, actual, wanted_at, fetched_at, gone_at, last_entry)
SELECT id, desired, actual, fetched_at, fetched_at, gone_at,
    (SELECT MAX(j.id) FROM journal j WHERE j.campaign_id = campaign.id)
FROM campaign;

DROP INDEX journal_by_campaign;

ALTER TABLE campaign DROP COLUMN desired;
ALTER TABLE campaign DROP COLUMN actual;
ALTER TABLE campaign DROP COLUMN fetched_at;
ALTER TABLE campaign DROP COLUMN gone_at;
