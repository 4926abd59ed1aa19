//! The writer's SQL, one function per statement.

use std::iter;

use ecg_chain::ClockRelation;
use rusqlite::{Connection, ToSql, TransactionBehavior, params, params_from_iter};

use super::chain::{Chain, Kind};
use super::error::{Context, StoreError};
use super::rows::{LabelSource, SessionCounts, to_sql};

/// One connection's statements, inside whatever transaction is open.
pub(super) struct Statements<'a> {
    pub(super) connection: &'a Connection,
    pub(super) context: &'a Context<'a>,
}

impl Statements<'_> {
    /// Does `write` in a transaction, all of it or nothing.
    pub(super) fn transact<T, E: From<StoreError>>(
        connection: &mut Connection,
        context: &Context<'_>,
        write: impl FnOnce(&Statements<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // dropped without `commit` on every error, which rolls it back
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| context.explain("beginning a transaction", error))?;
        let done = write(&Statements {
            connection: &transaction,
            context,
        })?;
        transaction
            .commit()
            .map_err(|error| context.explain("committing", error))?;
        Ok(done)
    }

    /// Stores a new row with its link of the chain; its id. `values` are in the order of [`Kind::columns`],
    /// the id of `source` among them. `session` is `None` for a session, whose links begin with it.
    pub(super) fn store(
        &self,
        chain: &mut Chain<'_>,
        session: Option<i64>,
        kind: Kind,
        values: &[&dyn ToSql],
        source: Option<&LabelSource>,
    ) -> Result<i64, StoreError> {
        let (doing, numbered_here) = match kind {
            Kind::Session => ("storing a session", false),
            Kind::Beat => ("storing a beat", false),
            Kind::Gap => ("storing a gap", false),
            Kind::Event => ("storing an event", false),
            Kind::Clock => ("storing a clock relation", true),
            Kind::Ecg => ("storing raw ECG", true),
            Kind::Correction => ("storing a correction", false),
            Kind::End | Kind::Anchor => ("storing a row", false),
        };
        let table = kind.table();
        // of the others SQLite itself knows the next
        let next = numbered_here.then(|| self.next_id(doing, table));
        let next = next.transpose()?;
        let sql = format!(
            "INSERT INTO {table} (id, {}) VALUES (?{})",
            kind.columns(),
            ", ?".repeat(values.len())
        );
        let values_with_id = iter::once(&next as &dyn ToSql).chain(values.iter().copied());
        let id = self
            .connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.insert(params_from_iter(values_with_id)))
            .map_err(|error| self.context.explain(doing, error))?;
        let source = source.map(|source| [&*source.model, &*source.engine]);
        chain
            .link_new(session.unwrap_or(id), kind, id, values, source)
            .map_err(|error| self.context.explain("chaining a row", error))?;
        Ok(id)
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

    pub(super) fn label_source(&self, source: &LabelSource) -> Result<i64, StoreError> {
        let names: [&str; 2] = [&source.model, &source.engine];
        self.update(
            "storing a model and engine",
            "INSERT INTO deciders (model, engine) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            names,
        )?;
        self.connection
            .query_row(
                "SELECT id FROM deciders WHERE model = ?1 AND engine = ?2",
                names,
                |row| row.get(0),
            )
            .map_err(|error| self.context.explain("storing a model and engine", error))
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
        let (mut sums, mut values) = (Vec::new(), vec![session]);
        for (column, value) in SessionCounts::COLUMNS.into_iter().zip(more.values()) {
            values.push(to_sql(value, column)?);
            let column = column.trim_start_matches("sessions.");
            sums.push(format!("{column} = {column} + ?{}", values.len()));
        }
        let sql = format!("UPDATE sessions SET {} WHERE id = ?1", sums.join(", "));
        self.update("counting", &sql, params_from_iter(values))
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

    /// Appends the link of a session's end as it is stored.
    pub(super) fn link_end(&self, chain: &mut Chain<'_>, session: i64) -> Result<(), StoreError> {
        chain
            .link_stored(session, Kind::End, session)
            .map_err(|error| self.context.explain("chaining a session's end", error))
    }
}
