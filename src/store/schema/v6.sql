-- Schema version 6: a chain of hashes over what is committed, and what retention has to remember.

-- One link for each row that was committed, in the order of committing. Nothing here is ever changed.
CREATE TABLE chain (
    id      INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id),
    kind    TEXT    NOT NULL CHECK (kind IN
        ('session', 'beat', 'gap', 'event', 'clock', 'ecg', 'end', 'anchor')),
    row_id  INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    hash    BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- What is rightly missing: rows and links that retention deleted, rows from before this version, ids that
-- were passed over because another database had given them.
CREATE TABLE chain_anchors (
    id          INTEGER PRIMARY KEY,
    what        TEXT    NOT NULL CHECK (what IN
        ('sessions', 'beats', 'gaps', 'events', 'clock_relations', 'ecg_blocks', 'chain')),
    first_id    INTEGER NOT NULL,
    last_id     INTEGER NOT NULL,
    row_count   INTEGER NOT NULL,
    hash_before BLOB,
    hash        BLOB,
    reason      TEXT    NOT NULL CHECK (reason IN ('migration', 'restored', 'age', 'size', 'free_space')),
    wall_us     INTEGER NOT NULL
) STRICT;
INSERT INTO chain_anchors (what, first_id, last_id, row_count, reason, wall_us)
    SELECT what, first_id, last_id, row_count, 'migration',
        CAST(unixepoch('subsec') * 1000000 AS INTEGER)
    FROM (
        SELECT 'sessions' AS what, min(id) AS first_id, max(id) AS last_id, count(*) AS row_count
            FROM sessions
        UNION ALL SELECT 'beats', min(id), max(id), count(*) FROM beats
        UNION ALL SELECT 'gaps', min(id), max(id), count(*) FROM gaps
        UNION ALL SELECT 'events', min(id), max(id), count(*) FROM events
        UNION ALL SELECT 'clock_relations', min(id), max(id), count(*) FROM clock_relations
        UNION ALL SELECT 'ecg_blocks', min(id), max(id), count(*) FROM ecg_blocks
    )
    WHERE row_count > 0;

-- What must survive a restart so that a wait before deleting neither begins anew nor is skipped.
CREATE TABLE retention_state (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- A database from before free space was kept waits 24 h before anything is deleted for its sake.
INSERT INTO retention_state (name, value)
    SELECT 'warning_left_s', 86400 WHERE EXISTS (SELECT 1 FROM sessions);
