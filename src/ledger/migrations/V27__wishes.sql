-- Of a wish for how a campaign stands: the one that it came after or, when it takes another one back, that it
-- goes back to.
ALTER TABLE journal ADD COLUMN replaced BIGINT;
-- The wish that came to nothing by what the entry tells.
ALTER TABLE journal ADD COLUMN ended BIGINT;
CREATE INDEX journal_ended ON journal (ended) WHERE ended IS NOT NULL;
-- Jobs that are over are forgotten in time.
CREATE INDEX job_over ON job (changed_at) WHERE state IN ('done', 'failed', 'cancelled');
