-- Schema version 1. Times: *_monotonic_ns count on CLOCK_MONOTONIC of the acquiring machine,
-- *_wall_us are microseconds since 1970-01-01T00:00:00Z. Sample indices count from the session's
-- first sample; missing samples count.

CREATE TABLE deciders (
    id     INTEGER PRIMARY KEY,
    model  TEXT NOT NULL,
    engine TEXT NOT NULL,
    UNIQUE (model, engine)
) STRICT;

CREATE TABLE sessions (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    source             TEXT    NOT NULL,
    origin             TEXT    NOT NULL,
    chip               TEXT    NOT NULL,
    sample_rate_hz     REAL    NOT NULL,
    uv_per_code_0      REAL    NOT NULL,
    uv_per_code_1      REAL    NOT NULL,
    start_monotonic_ns INTEGER NOT NULL,
    start_wall_us      INTEGER NOT NULL,
    decider            INTEGER NOT NULL REFERENCES deciders (id),
    end_monotonic_ns   INTEGER,
    end_wall_us        INTEGER,
    end_reason         TEXT,
    samples            INTEGER NOT NULL DEFAULT 0,
    beats_n            INTEGER NOT NULL DEFAULT 0,
    beats_l            INTEGER NOT NULL DEFAULT 0,
    beats_r            INTEGER NOT NULL DEFAULT 0,
    beats_a            INTEGER NOT NULL DEFAULT 0,
    beats_v            INTEGER NOT NULL DEFAULT 0,
    gaps               INTEGER NOT NULL DEFAULT 0,
    missing_samples    INTEGER NOT NULL DEFAULT 0,
    events             INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE beats (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    session         INTEGER NOT NULL REFERENCES sessions (id),
    r_sample        INTEGER NOT NULL,
    r_monotonic_ns  INTEGER NOT NULL,
    r_wall_us       INTEGER NOT NULL,
    rr_ms           REAL,
    class           TEXT    NOT NULL CHECK (class IN ('N', 'L', 'R', 'A', 'V')),
    p_n             REAL    NOT NULL,
    p_l             REAL    NOT NULL,
    p_r             REAL    NOT NULL,
    p_a             REAL    NOT NULL,
    p_v             REAL    NOT NULL,
    channel         INTEGER NOT NULL,
    quality         TEXT    NOT NULL,
    window_complete INTEGER NOT NULL,
    label_delay_ms  REAL    NOT NULL,
    decider         INTEGER NOT NULL REFERENCES deciders (id)
) STRICT;
CREATE INDEX beats_by_time ON beats (session, r_wall_us);
CREATE INDEX beats_by_class ON beats (class);

CREATE TABLE gaps (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    session              INTEGER NOT NULL REFERENCES sessions (id),
    first_missing_sample INTEGER NOT NULL,
    missing_samples      INTEGER NOT NULL,
    monotonic_ns         INTEGER NOT NULL,
    wall_us              INTEGER NOT NULL,
    cause                TEXT    NOT NULL,
    after_beat           INTEGER NOT NULL
) STRICT;
CREATE INDEX gaps_by_time ON gaps (session, wall_us);
CREATE INDEX gaps_after_beat ON gaps (after_beat);

CREATE TABLE events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    session      INTEGER NOT NULL REFERENCES sessions (id),
    sample       INTEGER NOT NULL,
    monotonic_ns INTEGER NOT NULL,
    wall_us      INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    after_beat   INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_time ON events (session, wall_us);
CREATE INDEX events_after_beat ON events (after_beat);

CREATE TABLE ecg_blocks (
    id                 INTEGER PRIMARY KEY,
    session            INTEGER NOT NULL REFERENCES sessions (id),
    first_sample       INTEGER NOT NULL,
    samples            INTEGER NOT NULL,
    first_monotonic_ns INTEGER NOT NULL,
    codes              BLOB    NOT NULL
) STRICT;
CREATE INDEX ecg_blocks_by_sample ON ecg_blocks (session, first_sample);
