-- Schema version 7: who asked for what.

-- What clients of the socket did, without what they asked for or were answered. uid and gid are NULL
-- of users that were too many to be told apart, pid where several processes are counted.
CREATE TABLE audit (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    wall_us      INTEGER NOT NULL,
    monotonic_ns INTEGER NOT NULL,
    uid          INTEGER,
    gid          INTEGER,
    pid          INTEGER,
    kind         TEXT    NOT NULL CHECK (kind IN ('connected', 'read', 'refused', 'changed', 'lost')),
    what         TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    count        INTEGER NOT NULL
) STRICT;
