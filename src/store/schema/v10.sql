-- Schema version 10: what people correct, and rows that are never changed.

-- One row for each correction, in the order of committing. The label that the model gave stays in beats. Undoing
-- is a further row.
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
) STRICT;
CREATE INDEX corrections_by_session ON corrections (session);
CREATE INDEX corrections_undone ON corrections (about) WHERE about IS NOT NULL;
-- Else deleting a correction would look through all others for one that refers to it.
CREATE INDEX corrections_superseded ON corrections (supersedes) WHERE supersedes IS NOT NULL;

-- The beats of corrections once more, to be found by the beat.
CREATE TABLE corrected_beats (
    beat       INTEGER NOT NULL,
    correction INTEGER NOT NULL REFERENCES corrections (id) ON DELETE CASCADE,
    PRIMARY KEY (beat, correction)
) STRICT, WITHOUT ROWID;
CREATE INDEX corrected_beats_by_correction ON corrected_beats (correction);

-- The parts of 65536 samples that a stretch touches, to be found by a position.
CREATE TABLE corrected_stretches (
    session    INTEGER NOT NULL,
    part       INTEGER NOT NULL,
    correction INTEGER NOT NULL REFERENCES corrections (id) ON DELETE CASCADE,
    PRIMARY KEY (session, part, correction)
) STRICT, WITHOUT ROWID;
CREATE INDEX corrected_stretches_by_correction ON corrected_stretches (correction);

-- Corrections have links, too. Constraints of a table cannot be changed but in the schema itself; copying the
-- chain would take as much room again.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''anchor'')', '''anchor'', ''correction'')')
    WHERE type = 'table' AND name = 'chain';
UPDATE sqlite_schema SET sql = replace(sql, '''ecg_blocks'', ''chain'')', '''ecg_blocks'', ''corrections'', ''chain'')')
    WHERE type = 'table' AND name = 'chain_anchors';
PRAGMA writable_schema = RESET;

-- What is committed is never changed: deleting is left to retention.
CREATE TRIGGER deciders_stay BEFORE UPDATE ON deciders
    BEGIN SELECT RAISE(ABORT, 'rows of deciders are never changed'); END;
-- End and counts of a session are written later.
CREATE TRIGGER sessions_stay BEFORE UPDATE OF id, source, origin, chip, sample_rate_hz, uv_per_code_0,
    uv_per_code_1, start_monotonic_ns, start_wall_us, decider, lead_0, lead_1, mains_filter, channel_choice
    ON sessions
    BEGIN SELECT RAISE(ABORT, 'what is fixed about a session from its start is never changed'); END;
CREATE TRIGGER beats_stay BEFORE UPDATE ON beats
    BEGIN SELECT RAISE(ABORT, 'rows of beats are never changed'); END;
CREATE TRIGGER gaps_stay BEFORE UPDATE ON gaps
    BEGIN SELECT RAISE(ABORT, 'rows of gaps are never changed'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'rows of events are never changed'); END;
CREATE TRIGGER clock_relations_stay BEFORE UPDATE ON clock_relations
    BEGIN SELECT RAISE(ABORT, 'rows of clock_relations are never changed'); END;
CREATE TRIGGER ecg_blocks_stay BEFORE UPDATE ON ecg_blocks
    BEGIN SELECT RAISE(ABORT, 'rows of ecg_blocks are never changed'); END;
CREATE TRIGGER saliency_stays BEFORE UPDATE ON saliency
    BEGIN SELECT RAISE(ABORT, 'rows of saliency are never changed'); END;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'rows of audit are never changed'); END;
CREATE TRIGGER chain_stays BEFORE UPDATE ON chain
    BEGIN SELECT RAISE(ABORT, 'rows of chain are never changed'); END;
-- An anchor grows at its end.
CREATE TRIGGER chain_anchors_stay BEFORE UPDATE OF id, what, first_id, hash_before ON chain_anchors
    BEGIN SELECT RAISE(ABORT, 'what an anchor begins with is never changed'); END;
CREATE TRIGGER corrections_stay BEFORE UPDATE ON corrections
    BEGIN SELECT RAISE(ABORT, 'rows of corrections are never changed'); END;
CREATE TRIGGER corrected_beats_stay BEFORE UPDATE ON corrected_beats
    BEGIN SELECT RAISE(ABORT, 'rows of corrected_beats are never changed'); END;
CREATE TRIGGER corrected_stretches_stay BEFORE UPDATE ON corrected_stretches
    BEGIN SELECT RAISE(ABORT, 'rows of corrected_stretches are never changed'); END;
