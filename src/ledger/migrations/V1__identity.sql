-- One text for both stores. SURROGATE and PUBLIC_ID are the only words that differ:
-- SURROGATE is an assigned i64 primary key, PUBLIC_ID the type of a UUID.
-- Times are microseconds UTC. Native ids are text and never interpreted.

CREATE TABLE meta (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    ledger_id PUBLIC_ID NOT NULL,
    epoch BIGINT NOT NULL
);

-- Numbers handed out once: the next campaign number of a virtual VDN ('vdn/N'). The row 'identity'
-- is the lock behind which new campaigns get their ids and their place in lists.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);

CREATE TABLE account (
    id SURROGATE,
    slug TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    virtual_vdn BIGINT UNIQUE,
    registered_at BIGINT NOT NULL
);

-- Identity, the desired and the actual status, and the snapshot that lists show.
CREATE TABLE campaign (
    id SURROGATE,
    uuid PUBLIC_ID NOT NULL UNIQUE,
    vdn BIGINT,
    number BIGINT,
    list_at BIGINT NOT NULL UNIQUE,
    home_id BIGINT NOT NULL REFERENCES account (id),
    home_epoch BIGINT NOT NULL,
    desired TEXT NOT NULL,
    actual TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The name in lower case, for searches that both stores answer alike.
    name_folded TEXT NOT NULL,
    document TEXT NOT NULL,
    created_at BIGINT,
    deleted BOOLEAN NOT NULL,
    fetched_at BIGINT NOT NULL,
    gone_at BIGINT,
    -- The last place given out in the campaign's list of contacts.
    last_contact_at BIGINT NOT NULL,
    UNIQUE (vdn, number),
    CHECK ((vdn IS NULL) = (number IS NULL))
);
CREATE INDEX campaign_by_home ON campaign (home_id, list_at);

-- Public ids of parts that the home may not have as objects of their own.
CREATE TABLE campaign_part (
    uuid PUBLIC_ID PRIMARY KEY,
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    part TEXT NOT NULL,
    UNIQUE (campaign_id, part)
);

-- What platforms call things. A native id names one campaign; a campaign has one current native id.
CREATE TABLE external_ref (
    account_id BIGINT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL,
    native TEXT NOT NULL,
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    is_current BOOLEAN NOT NULL,
    PRIMARY KEY (account_id, kind, native)
);
CREATE UNIQUE INDEX external_ref_current ON external_ref (campaign_id, kind) WHERE is_current;

CREATE TABLE contact (
    id SURROGATE,
    uuid PUBLIC_ID NOT NULL UNIQUE,
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    list_at BIGINT NOT NULL,
    reference TEXT,
    label TEXT,
    data TEXT,
    native TEXT,
    state TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (campaign_id, list_at)
);
CREATE INDEX contact_by_reference ON contact (campaign_id, reference, list_at);

CREATE TABLE contact_number (
    contact_id BIGINT NOT NULL REFERENCES contact (id),
    place BIGINT NOT NULL,
    number TEXT NOT NULL,
    category TEXT,
    delay_ms BIGINT,
    PRIMARY KEY (contact_id, place)
);

-- One row per business key (account, native).
CREATE TABLE attempt (
    id SURROGATE,
    uuid PUBLIC_ID NOT NULL UNIQUE,
    account_id BIGINT NOT NULL REFERENCES account (id),
    native TEXT NOT NULL,
    campaign_id BIGINT NOT NULL REFERENCES campaign (id),
    list_at BIGINT NOT NULL UNIQUE,
    contact_reference TEXT,
    called TEXT,
    caller TEXT,
    dialed_at BIGINT,
    ended_at BIGINT,
    result TEXT NOT NULL,
    disposition TEXT NOT NULL,
    live_person BOOLEAN NOT NULL,
    number_reusable BOOLEAN NOT NULL,
    contact_reusable BOOLEAN NOT NULL,
    counts_as_attempt BOOLEAN NOT NULL,
    is_final BOOLEAN NOT NULL,
    native_code TEXT NOT NULL,
    try_number BIGINT,
    recording TEXT,
    raw TEXT NOT NULL,
    -- Grows when the disposition changes.
    revision BIGINT NOT NULL,
    UNIQUE (account_id, native)
);
CREATE INDEX attempt_by_campaign ON attempt (campaign_id, list_at);
CREATE INDEX attempt_by_account ON attempt (account_id, list_at);
CREATE INDEX attempt_by_contact ON attempt (campaign_id, contact_reference, list_at);

-- Append-only.
CREATE TABLE journal (
    id SURROGATE,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    request_id TEXT,
    campaign_id BIGINT REFERENCES campaign (id),
    before_value TEXT,
    after_value TEXT,
    reason TEXT
);
CREATE INDEX journal_by_campaign ON journal (campaign_id, id);

INSERT INTO counter (name, next) VALUES ('identity', 1);
