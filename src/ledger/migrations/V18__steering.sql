-- Whose turn it is to start or stop a campaign, and by which wish it is wanted as it is.
-- The entry of the journal by which it is wanted so; a newer wish has a greater one.
ALTER TABLE campaign_state ADD COLUMN wish BIGINT;
-- Who asks the home to start or stop it now, one at a time over all processes, and until when at the
-- latest. A turn that has run out and is still here ended without anybody knowing what came of it.
ALTER TABLE campaign_state ADD COLUMN steered_by PUBLIC_ID;
ALTER TABLE campaign_state ADD COLUMN steered_until BIGINT;
CREATE INDEX campaign_state_unsettled ON campaign_state (steered_until)
    WHERE steered_until IS NOT NULL;
-- What the client of a campaign that is being made wants of it by now; NULL: what its job was told.
ALTER TABLE object ADD COLUMN wanted TEXT;
