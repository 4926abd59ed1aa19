-- Schema version 3: events that begin and end something, and how the clocks stood to each other.

ALTER TABLE events ADD COLUMN phase TEXT CHECK (phase IN ('begin', 'end'));
ALTER TABLE events ADD COLUMN subject TEXT;
ALTER TABLE events ADD COLUMN began_sample INTEGER;
ALTER TABLE events ADD COLUMN began_monotonic_ns INTEGER;

CREATE TABLE clock_relations (
    id           INTEGER PRIMARY KEY,
    session      INTEGER NOT NULL REFERENCES sessions (id),
    monotonic_ns INTEGER NOT NULL,
    wall_us      INTEGER NOT NULL,
    step_us      INTEGER NOT NULL
) STRICT;
CREATE INDEX clock_relations_by_time ON clock_relations (session, monotonic_ns);
