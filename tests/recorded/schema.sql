-- index beats_by_class
CREATE INDEX beats_by_class ON beats (class)
-- index beats_by_time
CREATE INDEX beats_by_time ON beats (session, r_wall_us)
-- index beats_unclassifiable
CREATE INDEX beats_unclassifiable ON beats (id) WHERE unclassifiable IS NOT NULL
-- index clock_relations_by_time
CREATE INDEX clock_relations_by_time ON clock_relations (session, monotonic_ns)
-- index corrected_beats_by_correction
CREATE INDEX corrected_beats_by_correction ON corrected_beats (correction)
-- index corrected_stretches_by_correction
CREATE INDEX corrected_stretches_by_correction ON corrected_stretches (correction)
-- index corrections_by_session
CREATE INDEX corrections_by_session ON corrections (session)
-- index corrections_superseded
CREATE INDEX corrections_superseded ON corrections (supersedes) WHERE supersedes IS NOT NULL
-- index corrections_undone
CREATE INDEX corrections_undone ON corrections (about) WHERE about IS NOT NULL
-- index ecg_blocks_by_sample
CREATE INDEX ecg_blocks_by_sample ON ecg_blocks (session, first_sample)
-- index events_after_beat
CREATE INDEX events_after_beat ON events (after_beat)
-- index events_by_time
CREATE INDEX events_by_time ON events (session, wall_us)
-- index gaps_after_beat
CREATE INDEX gaps_after_beat ON gaps (after_beat)
-- index gaps_by_time
CREATE INDEX gaps_by_time ON gaps (session, wall_us)
-- index sqlite_autoindex_deciders_1

-- table audit
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
, token TEXT) STRICT
-- table beats
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
, unclassifiable TEXT
    CHECK (unclassifiable IN ('poor_signal', 'out_of_class', 'low_confidence'))) STRICT
-- table chain
CREATE TABLE chain (
    id      INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id),
    kind    TEXT    NOT NULL CHECK (kind IN
        ('session', 'beat', 'gap', 'event', 'clock', 'ecg', 'end', 'anchor', 'correction')),
    row_id  INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    hash    BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT
-- table chain_anchors
CREATE TABLE chain_anchors (
    id          INTEGER PRIMARY KEY,
    what        TEXT    NOT NULL CHECK (what IN
        ('sessions', 'beats', 'gaps', 'events', 'clock_relations', 'ecg_blocks', 'corrections', 'chain')),
    first_id    INTEGER NOT NULL,
    last_id     INTEGER NOT NULL,
    row_count   INTEGER NOT NULL,
    hash_before BLOB,
    hash        BLOB,
    reason      TEXT    NOT NULL CHECK (reason IN ('migration', 'restored', 'age', 'size', 'free_space')),
    wall_us     INTEGER NOT NULL
) STRICT
-- table clock_relations
CREATE TABLE clock_relations (
    id           INTEGER PRIMARY KEY,
    session      INTEGER NOT NULL REFERENCES sessions (id),
    monotonic_ns INTEGER NOT NULL,
    wall_us      INTEGER NOT NULL,
    step_us      INTEGER NOT NULL
) STRICT
-- table corrected_beats
CREATE TABLE corrected_beats (
    beat       INTEGER NOT NULL,
    correction INTEGER NOT NULL REFERENCES corrections (id) ON DELETE CASCADE,
    PRIMARY KEY (beat, correction)
) STRICT, WITHOUT ROWID
-- table corrected_stretches
CREATE TABLE corrected_stretches (
    session    INTEGER NOT NULL,
    part       INTEGER NOT NULL,
    correction INTEGER NOT NULL REFERENCES corrections (id) ON DELETE CASCADE,
    PRIMARY KEY (session, part, correction)
) STRICT, WITHOUT ROWID
-- table corrections
CREATE TABLE corrections (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    session      INTEGER NOT NULL REFERENCES sessions (id),
    kind         TEXT    NOT NULL CHECK (kind IN ('label', 'artefact', 'note', 'undo')),
    target       TEXT    CHECK (target IN ('beat', 'beats', 'stretch', 'moment')),
    beats        TEXT    CHECK (json_type(beats) = 'array'),
    from_sample  INTEGER NOT NULL,
    from_wall_us INTEGER NOT NULL,
    to_sample    INTEGER NOT NULL,
    to_wall_us   INTEGER NOT NULL,
    class        TEXT    CHECK (class IN ('N', 'L', 'R', 'A', 'V', 'F', 'Q')),
    note         TEXT,
    author       TEXT    NOT NULL,
    origin       TEXT    NOT NULL CHECK (origin IN ('person', 'mark', 'import', 'label-engine')),
    supersedes   INTEGER REFERENCES corrections (id),
    about        INTEGER REFERENCES corrections (id),
    wall_us      INTEGER NOT NULL,
    CHECK ((kind = 'undo') = (target IS NULL)),
    CHECK ((kind = 'undo') = (supersedes IS NOT NULL AND about IS NOT NULL)),
    CHECK ((kind = 'label') = (class IS NOT NULL)),
    CHECK ((beats IS NOT NULL) = coalesce(target IN ('beat', 'beats'), 0))
) STRICT
-- table deciders
CREATE TABLE deciders (
    id     INTEGER PRIMARY KEY,
    model  TEXT NOT NULL,
    engine TEXT NOT NULL,
    UNIQUE (model, engine)
) STRICT
-- table ecg_blocks
CREATE TABLE ecg_blocks (
    id                 INTEGER PRIMARY KEY,
    session            INTEGER NOT NULL REFERENCES sessions (id),
    first_sample       INTEGER NOT NULL,
    samples            INTEGER NOT NULL,
    first_monotonic_ns INTEGER NOT NULL,
    codes              BLOB    NOT NULL
) STRICT
-- table events
CREATE TABLE events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    session      INTEGER NOT NULL REFERENCES sessions (id),
    sample       INTEGER NOT NULL,
    monotonic_ns INTEGER NOT NULL,
    wall_us      INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    after_beat   INTEGER NOT NULL
, phase TEXT CHECK (phase IN ('begin', 'end')), subject TEXT, began_sample INTEGER, began_monotonic_ns INTEGER) STRICT
-- table gaps
CREATE TABLE gaps (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    session              INTEGER NOT NULL REFERENCES sessions (id),
    first_missing_sample INTEGER NOT NULL,
    missing_samples      INTEGER NOT NULL,
    monotonic_ns         INTEGER NOT NULL,
    wall_us              INTEGER NOT NULL,
    cause                TEXT    NOT NULL,
    after_beat           INTEGER NOT NULL
) STRICT
-- table given_ids
CREATE TABLE given_ids (
    name   TEXT PRIMARY KEY,
    newest INTEGER NOT NULL
) STRICT, WITHOUT ROWID
-- table retention_state
CREATE TABLE retention_state (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID
-- table saliency
CREATE TABLE saliency (
    beat         INTEGER NOT NULL REFERENCES beats (id) ON DELETE CASCADE,
    method       TEXT    NOT NULL CHECK (method IN ('gradcam', 'gradcam-fine', 'shap')),
    class        TEXT    NOT NULL CHECK (class IN ('N', 'L', 'R', 'A', 'V')),
    share_p      REAL,
    share_qrs    REAL,
    share_t      REAL,
    p_onset_ms   INTEGER,
    p_end_ms     INTEGER,
    qrs_onset_ms INTEGER,
    qrs_end_ms   INTEGER,
    t_onset_ms   INTEGER,
    t_end_ms     INTEGER,
    map          BLOB    NOT NULL,
    PRIMARY KEY (beat, method, class)
) STRICT, WITHOUT ROWID
-- table sessions
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
, beats_unclassifiable INTEGER NOT NULL DEFAULT 0, lead_0 TEXT, lead_1 TEXT, mains_filter TEXT CHECK (mains_filter IN ('none', '50', '60')), channel_choice TEXT CHECK (channel_choice IN ('auto', '0', '1')), patient_label TEXT CHECK (length(patient_label) BETWEEN 1 AND 64), label_salt BLOB CHECK (length(label_salt) = 32), label_digest BLOB CHECK (length(label_digest) = 32), deleted_wall_us INTEGER, deleted_by TEXT, deleted_beats INTEGER, deleted_maps INTEGER, deleted_gaps INTEGER, deleted_events INTEGER, deleted_ecg_blocks INTEGER, deleted_corrections INTEGER) STRICT
-- table sqlite_sequence
CREATE TABLE sqlite_sequence(name,seq)
-- table store_identity
CREATE TABLE store_identity (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL CHECK (length(epoch) = 32)
) STRICT
-- trigger audit_stays
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'rows of audit are never changed'); END
-- trigger beats_stay
CREATE TRIGGER beats_stay BEFORE UPDATE ON beats
    BEGIN SELECT RAISE(ABORT, 'rows of beats are never changed'); END
-- trigger chain_anchors_stay
CREATE TRIGGER chain_anchors_stay BEFORE UPDATE OF id, what, first_id, hash_before ON chain_anchors
    BEGIN SELECT RAISE(ABORT, 'what an anchor begins with is never changed'); END
-- trigger chain_stays
CREATE TRIGGER chain_stays BEFORE UPDATE ON chain
    BEGIN SELECT RAISE(ABORT, 'rows of chain are never changed'); END
-- trigger clock_relations_stay
CREATE TRIGGER clock_relations_stay BEFORE UPDATE ON clock_relations
    BEGIN SELECT RAISE(ABORT, 'rows of clock_relations are never changed'); END
-- trigger corrected_beats_stay
CREATE TRIGGER corrected_beats_stay BEFORE UPDATE ON corrected_beats
    BEGIN SELECT RAISE(ABORT, 'rows of corrected_beats are never changed'); END
-- trigger corrected_stretches_stay
CREATE TRIGGER corrected_stretches_stay BEFORE UPDATE ON corrected_stretches
    BEGIN SELECT RAISE(ABORT, 'rows of corrected_stretches are never changed'); END
-- trigger corrections_stay
CREATE TRIGGER corrections_stay BEFORE UPDATE ON corrections
    BEGIN SELECT RAISE(ABORT, 'rows of corrections are never changed'); END
-- trigger deciders_stay
CREATE TRIGGER deciders_stay BEFORE UPDATE ON deciders
    BEGIN SELECT RAISE(ABORT, 'rows of deciders are never changed'); END
-- trigger ecg_blocks_stay
CREATE TRIGGER ecg_blocks_stay BEFORE UPDATE ON ecg_blocks
    BEGIN SELECT RAISE(ABORT, 'rows of ecg_blocks are never changed'); END
-- trigger events_stay
CREATE TRIGGER events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'rows of events are never changed'); END
-- trigger gaps_stay
CREATE TRIGGER gaps_stay BEFORE UPDATE ON gaps
    BEGIN SELECT RAISE(ABORT, 'rows of gaps are never changed'); END
-- trigger label_digests_stay
CREATE TRIGGER label_digests_stay BEFORE UPDATE OF label_digest ON sessions
    WHEN old.label_digest IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'digests of labels are never changed'); END
-- trigger labels_stay
CREATE TRIGGER labels_stay BEFORE UPDATE OF patient_label, label_salt ON sessions
    WHEN old.patient_label IS NOT NULL AND coalesce(new.patient_label, new.label_salt) IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'labels are erased and never changed'); END
-- trigger saliency_stays
CREATE TRIGGER saliency_stays BEFORE UPDATE ON saliency
    BEGIN SELECT RAISE(ABORT, 'rows of saliency are never changed'); END
-- trigger sessions_stay
CREATE TRIGGER sessions_stay BEFORE UPDATE OF id, source, origin, chip, sample_rate_hz, uv_per_code_0,
    uv_per_code_1, start_monotonic_ns, start_wall_us, decider, lead_0, lead_1, mains_filter, channel_choice
    ON sessions
    BEGIN SELECT RAISE(ABORT, 'what is fixed about a session from its start is never changed'); END
-- trigger tombstones_stay
CREATE TRIGGER tombstones_stay BEFORE UPDATE OF deleted_wall_us, deleted_by, deleted_beats, deleted_maps,
    deleted_gaps, deleted_events, deleted_ecg_blocks, deleted_corrections ON sessions
    WHEN old.deleted_wall_us IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'tombstones are never changed'); END
-- user_version 11
-- application_id 1162037095
