-- Where results are passed on to, and what is on its way there. Words as in V1.

CREATE TABLE destination (
    id SURROGATE,
    uuid PUBLIC_ID NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    shape TEXT NOT NULL,
    url TEXT NOT NULL,
    -- JSON lists of what it takes; an empty one takes all.
    accounts TEXT NOT NULL,
    campaigns TEXT NOT NULL,
    dispositions TEXT NOT NULL,
    -- Whether a campaign's results arrive in the order in which they were first heard of.
    is_ordered BOOLEAN NOT NULL,
    rate_per_s BIGINT,
    concurrency BIGINT NOT NULL,
    -- JSON list of the waits between tries, in seconds.
    retry_waits_s TEXT NOT NULL,
    -- Its secret is derived from this version of the master key; the one before holds until then.
    key_version BIGINT NOT NULL,
    secret_version BIGINT NOT NULL,
    old_key_version BIGINT,
    old_secret_until BIGINT,
    state TEXT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    -- Deliveries: all = delivered + dead + pending, always.
    created_total BIGINT NOT NULL,
    delivered_total BIGINT NOT NULL,
    dead_total BIGINT NOT NULL
);

-- One campaign's results on their way to one destination, in order.
CREATE TABLE lane (
    id SURROGATE,
    destination_id BIGINT NOT NULL REFERENCES destination (id),
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    next_sequence BIGINT NOT NULL,
    UNIQUE (destination_id, campaign_id)
);

-- What is told: an attempt in one revision, or a push as it came. Each index is written for every
-- result, so there is none that its deliveries' do not need; ages follow numbers.
CREATE TABLE event (
    id SURROGATE,
    account_id BIGINT NOT NULL REFERENCES account (id),
    campaign_id BIGINT REFERENCES campaign (id),
    attempt_id BIGINT REFERENCES attempt (id),
    revision BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    -- The signature that came with a push.
    proof TEXT
);

CREATE TABLE delivery (
    id SURROGATE,
    event_id BIGINT NOT NULL REFERENCES event (id),
    destination_id BIGINT NOT NULL REFERENCES destination (id),
    lane_id BIGINT REFERENCES lane (id),
    sequence BIGINT,
    state TEXT NOT NULL,
    is_redrive BOOLEAN NOT NULL,
    tries BIGINT NOT NULL,
    -- While it is leased this is when the lease ends; behind another in its lane it is never.
    due_at BIGINT NOT NULL,
    is_leased BOOLEAN NOT NULL,
    -- Grows with every lease; who holds an older one may change nothing.
    fence BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    -- The receiver's last answer.
    status BIGINT,
    error TEXT,
    answer TEXT
);
CREATE INDEX delivery_due ON delivery (destination_id, is_redrive, due_at, id, created_at)
    WHERE state = 'pending';
CREATE INDEX delivery_in_lane ON delivery (lane_id, sequence)
    WHERE state = 'pending' AND lane_id IS NOT NULL;
CREATE INDEX delivery_by_event ON delivery (event_id);
CREATE INDEX delivery_dead ON delivery (destination_id, id) WHERE state = 'dead';

-- Tries that failed.
CREATE TABLE delivery_attempt (
    id SURROGATE,
    delivery_id BIGINT NOT NULL REFERENCES delivery (id),
    at BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    answer TEXT
);
CREATE INDEX delivery_attempt_by_delivery ON delivery_attempt (delivery_id, id);

-- Rows that were pushed, by what became of them: received = stored + merged + quarantined.
CREATE TABLE account_tally (
    account_id BIGINT PRIMARY KEY REFERENCES account (id),
    received BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    merged BIGINT NOT NULL,
    quarantined BIGINT NOT NULL
);
