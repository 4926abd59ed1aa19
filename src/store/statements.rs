//! The writer's SQL, one function per statement.

use arrhythmianet::Unclassifiable;
use ecg_chain::{ClockRelation, WallUs};
use ecg_chain::{Event, Gap, LabelledBeat, SessionInfo};
use rusqlite::{Connection, params};

use super::chain::{Chain, Hash, Kind};
use super::error::{Context, StoreError};
use super::identity::StoreMark;
use super::rows::{
    EncodedBlock, SessionCounts, channel_to_sql, class_to_sql, episode_to_sql, lead_to_sql,
    mains_to_sql, to_sql,
};

/// One connection's statements, inside whatever transaction is open.
pub(super) struct Statements<'a> {
    pub(super) connection: &'a Connection,
    pub(super) context: &'a Context<'a>,
}

impl Statements<'_> {
    fn insert(
        &self,
        doing: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.insert(values))
            .map_err(|error| self.context.explain(doing, error))
    }

    pub(super) fn update(
        &self,
        doing: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map_err(|error| self.context.explain(doing, error))?;
        Ok(())
    }

    pub(super) fn label_source(&self, model: &str, engine: &str) -> Result<i64, StoreError> {
        self.update(
            "storing a model and engine",
            "INSERT INTO deciders (model, engine) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            [model, engine],
        )?;
        self.connection
            .query_row(
                "SELECT id FROM deciders WHERE model = ?1 AND engine = ?2",
                [model, engine],
                |row| row.get(0),
            )
            .map_err(|error| self.context.explain("storing a model and engine", error))
    }

    pub(super) fn mark(&self) -> Result<StoreMark, StoreError> {
        StoreMark::read(self.connection)
            .map_err(|error| self.context.explain_row("reading the newest ids", error))
    }

    pub(super) fn session(&self, info: &SessionInfo, label_source: i64) -> Result<i64, StoreError> {
        let [uv_per_code_0, uv_per_code_1] = info.uv_per_code;
        let [lead_0, lead_1] = info.leads.each_ref().map(|lead| lead_to_sql(lead));
        self.insert(
            "storing a session",
            "INSERT INTO sessions (source, origin, chip, sample_rate_hz, uv_per_code_0, \
             uv_per_code_1, start_monotonic_ns, start_wall_us, decider, lead_0, lead_1, \
             mains_filter, channel_choice) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                info.source,
                info.origin,
                info.chip,
                info.sample_rate_hz,
                uv_per_code_0,
                uv_per_code_1,
                to_sql(info.start.monotonic.0, "sessions.start_monotonic_ns")?,
                info.start.wall.0,
                label_source,
                lead_0,
                lead_1,
                info.mains.map(mains_to_sql),
                info.channel.map(channel_to_sql),
            ],
        )
    }

    pub(super) fn end_session(
        &self,
        session: i64,
        at: ClockRelation,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.update(
            "ending a session",
            "UPDATE sessions SET end_monotonic_ns = ?2, end_wall_us = ?3, end_reason = ?4 \
             WHERE id = ?1",
            params![
                session,
                to_sql(at.monotonic.0, "sessions.end_monotonic_ns")?,
                at.wall.0,
                reason
            ],
        )
    }

    pub(super) fn add_counts(&self, session: i64, more: &SessionCounts) -> Result<(), StoreError> {
        let [n, l, r, a, v] = more.beats_by_class;
        let count = |value| to_sql(value, "sessions counts");
        self.update(
            "counting",
            "UPDATE sessions SET beats_n = beats_n + ?2, beats_l = beats_l + ?3, \
             beats_r = beats_r + ?4, beats_a = beats_a + ?5, beats_v = beats_v + ?6, \
             gaps = gaps + ?7, missing_samples = missing_samples + ?8, events = events + ?9, \
             samples = samples + ?10, beats_unclassifiable = beats_unclassifiable + ?11 \
             WHERE id = ?1",
            params![
                session,
                count(n)?,
                count(l)?,
                count(r)?,
                count(a)?,
                count(v)?,
                count(more.gaps)?,
                count(more.missing_samples)?,
                count(more.events)?,
                count(more.samples)?,
                count(more.unclassifiable)?,
            ],
        )
    }

    pub(super) fn beat(
        &self,
        session: i64,
        r_wall: WallUs,
        label_source: i64,
        beat: &LabelledBeat,
    ) -> Result<i64, StoreError> {
        let [n, l, r, a, v] = beat.probabilities;
        self.insert(
            "storing a beat",
            "INSERT INTO beats (session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, class, \
             p_n, p_l, p_r, p_a, p_v, channel, quality, window_complete, label_delay_ms, decider, \
             unclassifiable) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, \
             ?15, ?16, ?17)",
            params![
                session,
                to_sql(beat.r_sample, "beats.r_sample")?,
                to_sql(beat.r_time.0, "beats.r_monotonic_ns")?,
                r_wall.0,
                beat.rr_ms,
                class_to_sql(beat.class),
                n,
                l,
                r,
                a,
                v,
                beat.channel,
                beat.quality.name(),
                beat.window_complete,
                beat.label_delay_ms,
                label_source,
                beat.unclassifiable.map(Unclassifiable::name),
            ],
        )
    }

    pub(super) fn gap(
        &self,
        session: i64,
        wall: WallUs,
        after_beat: i64,
        gap: &Gap,
    ) -> Result<i64, StoreError> {
        self.insert(
            "storing a gap",
            "INSERT INTO gaps (session, first_missing_sample, missing_samples, monotonic_ns, \
             wall_us, cause, after_beat) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                session,
                to_sql(gap.first_missing_sample, "gaps.first_missing_sample")?,
                to_sql(gap.missing_samples, "gaps.missing_samples")?,
                to_sql(gap.time.0, "gaps.monotonic_ns")?,
                wall.0,
                gap.cause.name(),
                after_beat,
            ],
        )
    }

    pub(super) fn event(
        &self,
        session: i64,
        wall: WallUs,
        after_beat: i64,
        event: &Event,
    ) -> Result<i64, StoreError> {
        let (phase, subject, began) = episode_to_sql(event.episode);
        self.insert(
            "storing an event",
            "INSERT INTO events (session, sample, monotonic_ns, wall_us, kind, detail, \
             after_beat, phase, subject, began_sample, began_monotonic_ns) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                session,
                to_sql(event.sample, "events.sample")?,
                to_sql(event.time.0, "events.monotonic_ns")?,
                wall.0,
                event.kind,
                event.detail,
                after_beat,
                phase,
                subject,
                began
                    .map(|(sample, _)| to_sql(sample, "events.began_sample"))
                    .transpose()?,
                began
                    .map(|(_, time)| to_sql(time.0, "events.began_monotonic_ns"))
                    .transpose()?,
            ],
        )
    }

    /// The next id of a table whose ids SQLite itself would give again once the newest row is deleted;
    /// given for good with the transaction that is open.
    fn next_id(&self, doing: &'static str, table: &'static str) -> Result<i64, StoreError> {
        let sql = format!(
            "INSERT INTO given_ids (name, newest) \
             VALUES (?1, coalesce((SELECT max(id) FROM {table}), 0) + 1) ON CONFLICT (name) \
             DO UPDATE SET newest = max(newest + 1, excluded.newest) RETURNING newest"
        );
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row([table], |row| row.get(0)))
            .map_err(|error| self.context.explain(doing, error))
    }

    pub(super) fn clock_relation(
        &self,
        session: i64,
        relation: ClockRelation,
        step_us: i64,
    ) -> Result<i64, StoreError> {
        const DOING: &str = "storing a clock relation";
        self.insert(
            DOING,
            "INSERT INTO clock_relations (id, session, monotonic_ns, wall_us, step_us) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                self.next_id(DOING, "clock_relations")?,
                session,
                to_sql(relation.monotonic.0, "clock_relations.monotonic_ns")?,
                relation.wall.0,
                step_us,
            ],
        )
    }

    pub(super) fn block(&self, session: i64, block: &EncodedBlock) -> Result<i64, StoreError> {
        const DOING: &str = "storing raw ECG";
        self.insert(
            DOING,
            "INSERT INTO ecg_blocks (id, session, first_sample, samples, first_monotonic_ns, codes) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                self.next_id(DOING, "ecg_blocks")?,
                session,
                to_sql(block.first_sample, "ecg_blocks.first_sample")?,
                to_sql(block.samples, "ecg_blocks.samples")?,
                to_sql(block.first_time.0, "ecg_blocks.first_monotonic_ns")?,
                block.blob,
            ],
        )
    }

    /// Appends a committed row's link to the chain.
    pub(super) fn link(
        &self,
        chain: &mut Chain<'_>,
        session: i64,
        kind: Kind,
        row: i64,
        digest: impl FnOnce() -> Hash,
    ) -> Result<(), StoreError> {
        chain
            .link(session, kind, row, digest)
            .map_err(|error| self.context.explain("chaining a row", error))
    }

    /// Appends the link of a session's end as it is stored.
    pub(super) fn link_end(&self, chain: &mut Chain<'_>, session: i64) -> Result<(), StoreError> {
        chain
            .link_stored(session, Kind::End, session)
            .map_err(|error| self.context.explain("chaining a session's end", error))
    }
}
