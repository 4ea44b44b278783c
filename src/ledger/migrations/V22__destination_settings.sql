-- Every secret whose overlap has not ended, newest first, and whether an answer of success must be in the
-- words of the shape's platform.

ALTER TABLE destination ADD COLUMN requires_receipt BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE destination ADD COLUMN old_secrets TEXT NOT NULL DEFAULT '[]';
UPDATE destination SET old_secrets = '[{"key":' || CAST(old_key_version AS TEXT) || ',"version":' ||
    CAST(secret_version - 1 AS TEXT) || ',"until_us":' || CAST(old_secret_until AS TEXT) || '}]'
    WHERE old_key_version IS NOT NULL AND old_secret_until IS NOT NULL;
ALTER TABLE destination DROP COLUMN old_key_version;
ALTER TABLE destination DROP COLUMN old_secret_until;
