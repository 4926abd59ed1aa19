-- Schema version 5: which database this is, and ids that are never given twice.

-- One row. The epoch is 128 random bits in hexadecimal digits: a database that was begun anew or put
-- back from a backup has another one, so that nobody takes its ids for those of before.
CREATE TABLE store_identity (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL CHECK (length(epoch) = 32)
) STRICT;
INSERT INTO store_identity (only, epoch) VALUES (1, lower(hex(randomblob(16))));

-- The newest id given in tables whose ids SQLite itself would give again once the newest row is
-- deleted. (AUTOINCREMENT would do, but cannot be added to a table without copying it.)
CREATE TABLE given_ids (
    name   TEXT PRIMARY KEY,
    newest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO given_ids (name, newest)
    SELECT 'ecg_blocks', coalesce(max(id), 0) FROM ecg_blocks
    UNION ALL SELECT 'clock_relations', coalesce(max(id), 0) FROM clock_relations;
