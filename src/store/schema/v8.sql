-- Schema version 8: what the channels of a session are called.

ALTER TABLE sessions ADD COLUMN lead_0 TEXT;
ALTER TABLE sessions ADD COLUMN lead_1 TEXT;
