-- The `traceparent` of what a push or a result came with, so that what becomes of it joins its trace.
ALTER TABLE inbox ADD COLUMN trace TEXT;
ALTER TABLE event ADD COLUMN trace TEXT;
