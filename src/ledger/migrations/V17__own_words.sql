-- What was told in the platform's own words: a receiver that speaks as the platform does gets them as they
-- came. None: nobody who speaks so is told, or it was told before this was kept.
ALTER TABLE event ADD COLUMN raw TEXT;

-- The contact that was called, where the home names it by an id of its own: a reference names a
-- subscriber, of whom there may be several contacts. None: only the reference says it.
ALTER TABLE attempt ADD COLUMN contact_id BIGINT;
