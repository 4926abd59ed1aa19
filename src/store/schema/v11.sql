-- Schema version 11: whose session it is, what is left of a deleted one, and which browser asked.

-- The chain hashes label_digest, the SHA-256 of label_salt (32 random bytes) and the label in UTF-8. So it
-- holds once label and salt are erased, and then nothing tells what the label was.
ALTER TABLE sessions ADD COLUMN patient_label TEXT CHECK (length(patient_label) BETWEEN 1 AND 64);
ALTER TABLE sessions ADD COLUMN label_salt BLOB CHECK (length(label_salt) = 32);
ALTER TABLE sessions ADD COLUMN label_digest BLOB CHECK (length(label_digest) = 32);

-- The tombstone of a session that somebody had deleted: when, who, and how many rows.
ALTER TABLE sessions ADD COLUMN deleted_wall_us INTEGER;
ALTER TABLE sessions ADD COLUMN deleted_by TEXT;
ALTER TABLE sessions ADD COLUMN deleted_beats INTEGER;
ALTER TABLE sessions ADD COLUMN deleted_maps INTEGER;
ALTER TABLE sessions ADD COLUMN deleted_gaps INTEGER;
ALTER TABLE sessions ADD COLUMN deleted_events INTEGER;
ALTER TABLE sessions ADD COLUMN deleted_ecg_blocks INTEGER;
ALTER TABLE sessions ADD COLUMN deleted_corrections INTEGER;

-- Of a browser: the name of the token it signed in with.
ALTER TABLE audit ADD COLUMN token TEXT;

-- A label is erased and never changed, and a tombstone stays as it is.
CREATE TRIGGER label_digests_stay BEFORE UPDATE OF label_digest ON sessions
    WHEN old.label_digest IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'digests of labels are never changed'); END;
CREATE TRIGGER labels_stay BEFORE UPDATE OF patient_label, label_salt ON sessions
    WHEN old.patient_label IS NOT NULL AND coalesce(new.patient_label, new.label_salt) IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'labels are erased and never changed'); END;
CREATE TRIGGER tombstones_stay BEFORE UPDATE OF deleted_wall_us, deleted_by, deleted_beats, deleted_maps,
    deleted_gaps, deleted_events, deleted_ecg_blocks, deleted_corrections ON sessions
    WHEN old.deleted_wall_us IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'tombstones are never changed'); END;
