-- Schema version 9: how the signal of a session was treated, so that a beat can be reprocessed.

ALTER TABLE sessions ADD COLUMN mains_filter TEXT CHECK (mains_filter IN ('none', '50', '60'));
ALTER TABLE sessions ADD COLUMN channel_choice TEXT CHECK (channel_choice IN ('auto', '0', '1'));
