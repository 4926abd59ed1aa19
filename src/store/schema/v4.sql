-- Schema version 4: why beats were called what they were.

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
) STRICT, WITHOUT ROWID;
