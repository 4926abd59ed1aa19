-- Schema version 2: beats whose label is not to be trusted.

ALTER TABLE beats ADD COLUMN unclassifiable TEXT
    CHECK (unclassifiable IN ('poor_signal', 'out_of_class', 'low_confidence'));
CREATE INDEX beats_unclassifiable ON beats (id) WHERE unclassifiable IS NOT NULL;

ALTER TABLE sessions ADD COLUMN beats_unclassifiable INTEGER NOT NULL DEFAULT 0;
