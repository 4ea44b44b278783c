-- A contact by what its home calls it: asked for every page of results.
CREATE INDEX contact_by_native ON contact (campaign_id, native);
