-- What is known of the operator's master keys: a keyed hash of each version, from which no key can be
-- found. Another key under a known version would make every secret and token of it wrong.
CREATE TABLE master_key (
    version BIGINT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);
