-- What is asked for because callbacks may have missed it: a campaign's attempts of one day of its
-- account, or all of them (day 'all') where the platform cannot select by day.
CREATE TABLE reconcile_day (
    id SURROGATE,
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    day TEXT NOT NULL,
    -- How many the platform said there were, at the last reading.
    total BIGINT,
    read_at BIGINT,
    -- The last reading at which the campaign was dialling.
    active_at BIGINT,
    -- It is complete, and not read again.
    closed_at BIGINT,
    UNIQUE (campaign_id, day)
);
CREATE INDEX reconcile_day_open ON reconcile_day (campaign_id, day) WHERE closed_at IS NULL;
CREATE INDEX attempt_open ON attempt (campaign_id, list_at) WHERE result = 'in-progress';
