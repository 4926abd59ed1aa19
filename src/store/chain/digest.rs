//! The bytes of a row that are hashed, from Rust types and from the tables.

use arrhythmianet::Unclassifiable;
use ecg_chain::{ClockRelation, SessionInfo};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};

use super::super::rows::{
    EncodedBlock, StoredBeat, StoredEvent, StoredGap, channel_to_sql, class_to_sql, lead_to_sql,
    mains_to_sql,
};
use super::kind::{Hash, Kind};

/// Values one after the other, each with its type and length before it, so that no two lists of
/// values have the same bytes.
pub(super) struct Canonical(Sha256);

impl Canonical {
    fn new(kind: Kind) -> Self {
        let mut bytes = Self(Sha256::new());
        bytes.text(kind.name().as_bytes());
        bytes
    }

    pub(super) const fn after(hasher: Sha256) -> Self {
        Self(hasher)
    }

    fn null(&mut self) {
        self.0.update([0]);
    }

    pub(super) fn integer(&mut self, value: i64) {
        let mut bytes = [1; 9];
        bytes[1..].copy_from_slice(&value.to_be_bytes());
        self.0.update(bytes);
    }

    /// Numbers that SQLite knows no other: no number is NULL to it, and minus zero is zero.
    fn real(&mut self, value: f64) {
        if value.is_nan() {
            return self.null();
        }
        let mut bytes = [2; 9];
        bytes[1..].copy_from_slice(&(value + 0.0).to_be_bytes());
        self.0.update(bytes);
    }

    fn long(&mut self, tag: u8, value: &[u8]) {
        let mut head = [tag; 9];
        head[1..].copy_from_slice(&(value.len() as u64).to_be_bytes());
        self.0.update(head);
        self.0.update(value);
    }

    pub(super) fn text(&mut self, value: &[u8]) {
        self.long(3, value);
    }

    pub(super) fn blob(&mut self, value: &[u8]) {
        self.long(4, value);
    }

    fn optional_text(&mut self, value: Option<&str>) {
        match value {
            None => self.null(),
            Some(value) => self.text(value.as_bytes()),
        }
    }

    fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.null(),
            ValueRef::Integer(value) => self.integer(value),
            ValueRef::Real(value) => self.real(value),
            ValueRef::Text(value) => self.text(value),
            ValueRef::Blob(value) => self.blob(value),
        }
    }

    /// Numbers without sign as they are stored; beyond 2^63 - 1 nothing is.
    fn unsigned(&mut self, value: u64) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(super) fn digest(self) -> Hash {
        self.0.finalize().into()
    }
}

pub(in super::super) fn session(id: i64, info: &SessionInfo) -> Hash {
    let mut bytes = Canonical::new(Kind::Session);
    bytes.integer(id);
    bytes.text(info.source.as_bytes());
    bytes.text(info.origin.as_bytes());
    bytes.text(info.chip.as_bytes());
    bytes.real(info.sample_rate_hz);
    for scale in info.uv_per_code {
        bytes.real(scale);
    }
    bytes.unsigned(info.start.monotonic.0);
    bytes.integer(info.start.wall.0);
    bytes.text(info.model.as_bytes());
    bytes.text(info.engine.as_bytes());
    for lead in &info.leads {
        bytes.optional_text(lead_to_sql(lead));
    }
    if info.mains.is_some() || info.channel.is_some() {
        bytes.optional_text(info.mains.map(mains_to_sql));
        bytes.optional_text(info.channel.map(channel_to_sql));
    }
    bytes.digest()
}

pub(in super::super) fn beat(row: &StoredBeat) -> Hash {
    let beat = &row.beat;
    let mut bytes = Canonical::new(Kind::Beat);
    bytes.integer(row.id);
    bytes.integer(row.session);
    bytes.unsigned(beat.r_sample);
    bytes.unsigned(beat.r_time.0);
    bytes.integer(row.r_wall.0);
    match beat.rr_ms {
        None => bytes.null(),
        Some(rr_ms) => bytes.real(f64::from(rr_ms)),
    }
    bytes.text(class_to_sql(beat.class).as_bytes());
    for probability in beat.probabilities {
        bytes.real(f64::from(probability));
    }
    bytes.integer(i64::from(beat.channel));
    bytes.text(beat.quality.name().as_bytes());
    bytes.integer(i64::from(beat.window_complete));
    bytes.real(f64::from(beat.label_delay_ms));
    bytes.text(row.model.as_bytes());
    bytes.text(row.engine.as_bytes());
    bytes.optional_text(beat.unclassifiable.map(Unclassifiable::name));
    bytes.digest()
}

pub(in super::super) fn gap(row: &StoredGap) -> Hash {
    let mut bytes = Canonical::new(Kind::Gap);
    bytes.integer(row.id);
    bytes.integer(row.session);
    bytes.unsigned(row.gap.first_missing_sample);
    bytes.unsigned(row.gap.missing_samples);
    bytes.unsigned(row.gap.time.0);
    bytes.integer(row.wall.0);
    bytes.text(row.gap.cause.name().as_bytes());
    bytes.integer(row.after_beat);
    bytes.digest()
}

pub(in super::super) fn event(row: &StoredEvent) -> Hash {
    let mut bytes = Canonical::new(Kind::Event);
    bytes.integer(row.id);
    bytes.integer(row.session);
    bytes.unsigned(row.sample);
    bytes.unsigned(row.time.0);
    bytes.integer(row.wall.0);
    bytes.text(row.kind.as_bytes());
    bytes.text(row.detail.as_bytes());
    bytes.integer(row.after_beat);
    bytes.optional_text(row.phase.as_deref());
    bytes.optional_text(row.subject.as_deref());
    match row.began {
        None => {
            bytes.null();
            bytes.null();
        }
        Some((sample, time)) => {
            bytes.unsigned(sample);
            bytes.unsigned(time.0);
        }
    }
    bytes.digest()
}

pub(in super::super) fn clock(
    id: i64,
    session: i64,
    relation: ClockRelation,
    step_us: i64,
) -> Hash {
    let mut bytes = Canonical::new(Kind::Clock);
    bytes.integer(id);
    bytes.integer(session);
    bytes.unsigned(relation.monotonic.0);
    bytes.integer(relation.wall.0);
    bytes.integer(step_us);
    bytes.digest()
}

pub(in super::super) fn ecg(id: i64, session: i64, block: &EncodedBlock) -> Hash {
    let mut bytes = Canonical::new(Kind::Ecg);
    bytes.integer(id);
    bytes.integer(session);
    bytes.unsigned(block.first_sample);
    bytes.unsigned(block.samples);
    bytes.unsigned(block.first_time.0);
    bytes.blob(&block.blob);
    bytes.digest()
}

/// The columns that are hashed, and the tables they come from, for all rows in the order of their
/// ids. The id comes first.
pub(super) const fn select(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Session => (
            "t.id, t.source, t.origin, t.chip, t.sample_rate_hz, t.uv_per_code_0, t.uv_per_code_1, \
             t.start_monotonic_ns, t.start_wall_us, d.model, d.engine, t.lead_0, t.lead_1, \
             t.mains_filter, t.channel_choice",
            "sessions t LEFT JOIN deciders d ON d.id = t.decider",
        ),
        Kind::Beat => (
            "t.id, t.session, t.r_sample, t.r_monotonic_ns, t.r_wall_us, t.rr_ms, t.class, t.p_n, \
             t.p_l, t.p_r, t.p_a, t.p_v, t.channel, t.quality, t.window_complete, \
             t.label_delay_ms, d.model, d.engine, t.unclassifiable",
            "beats t NOT INDEXED LEFT JOIN deciders d ON d.id = t.decider",
        ),
        Kind::Gap => (
            "t.id, t.session, t.first_missing_sample, t.missing_samples, t.monotonic_ns, \
             t.wall_us, t.cause, t.after_beat",
            "gaps t NOT INDEXED",
        ),
        Kind::Event => (
            "t.id, t.session, t.sample, t.monotonic_ns, t.wall_us, t.kind, t.detail, t.after_beat, \
             t.phase, t.subject, t.began_sample, t.began_monotonic_ns",
            "events t NOT INDEXED",
        ),
        Kind::Clock => (
            "t.id, t.session, t.monotonic_ns, t.wall_us, t.step_us",
            "clock_relations t NOT INDEXED",
        ),
        Kind::Ecg => (
            "t.id, t.session, t.first_sample, t.samples, t.first_monotonic_ns, t.codes",
            "ecg_blocks t NOT INDEXED",
        ),
        Kind::End => (
            "t.id, t.end_monotonic_ns, t.end_wall_us, t.end_reason, t.samples, t.beats_n, \
             t.beats_l, t.beats_r, t.beats_a, t.beats_v, t.gaps, t.missing_samples, t.events, \
             t.beats_unclassifiable",
            "sessions t",
        ),
        Kind::Anchor => (
            "t.id, t.what, t.first_id, t.last_id, t.row_count, t.hash_before, t.hash, t.reason, \
             t.wall_us",
            "chain_anchors t",
        ),
    }
}

/// The digest of a row of [`select`].
pub(super) fn digest_row(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Hash> {
    let mut columns = row.as_ref().column_count();
    // Those of schema version 9 count where one of them is set: rows from before keep their digests.
    if kind == Kind::Session
        && row.get_ref(columns - 2)? == ValueRef::Null
        && row.get_ref(columns - 1)? == ValueRef::Null
    {
        columns -= 2;
    }
    let mut bytes = Canonical::new(kind);
    for column in 0..columns {
        bytes.value(row.get_ref(column)?);
    }
    Ok(bytes.digest())
}

/// The digest of a row as it is stored.
pub(super) fn stored(connection: &Connection, kind: Kind, id: i64) -> rusqlite::Result<Hash> {
    let (columns, tables) = select(kind);
    connection
        .prepare_cached(&format!("SELECT {columns} FROM {tables} WHERE t.id = ?1"))?
        .query_row([id], |row| digest_row(kind, row))
}
