//! Walks the whole chain beside the rows it is about.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, Rows};
use serde::Serialize;

use super::super::error::RowError;
use super::super::error::StoreError;
use super::super::parse::tombstone;
use super::super::patient_label::label_digest;
use super::super::query::faults;
use super::super::reader::StoreReader;
use super::super::rows::{DeletedRows, SessionDeletion};
use super::super::session_deletion::DELETED;
use super::digest::{digest_row, select, stored};
use super::kind::{BEGINNING, Hash, Kind};
use super::links::{ChainHead, link_hash, newest_given};

/// Findings that are kept; beyond them they are counted.
const MOST_FINDINGS: usize = 1_000;
/// Findings SQLite itself is asked for.
const MOST_OF_SQLITE: u32 = 100;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The row; 0 where it is none in particular.
    pub id: i64,
    /// What is wrong with it.
    pub problem: String,
}

/// Whether the anchor stands for rows that retention deleted.
fn is_of_retention(anchor: &AnchorSummary) -> bool {
    !matches!(&*anchor.reason, "migration" | "restored")
}

/// What becomes of a head that was written down before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadVerdict {
    /// The chain has this link with this hash.
    Holds,
    /// The chain has this link with another hash or session: it was computed anew.
    Differs,
    /// The chain ends before it: its end was cut off.
    Missing,
    /// Retention has removed the link: there is nothing to compare it with.
    Removed,
}

/// How many rows of a table the chain protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Protection {
    /// Rows with a link that fits them.
    pub protected: u64,
    /// Rows from before the schema had a chain: whether they were changed cannot be told.
    pub unprotected: u64,
    /// Rows whose link is there and that retention has deleted.
    pub deleted: u64,
    /// Rows whose link is there and that were deleted with their session.
    pub deleted_with_session: u64,
}

/// A session that somebody had deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeletionSummary {
    /// The session.
    pub session: i64,
    /// When, microseconds since 1970.
    pub wall_us: i64,
    /// Who had it deleted.
    pub by: String,
    /// How many rows, as its tombstone says.
    #[serde(flatten)]
    pub rows: DeletedRows,
}

/// What is rightly missing, or was never protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnchorSummary {
    /// The table; `chain` for links.
    pub what: String,
    /// The first id it speaks of.
    pub first_id: i64,
    /// The last one.
    pub last_id: i64,
    /// How many rows or links it speaks of.
    pub rows: i64,
    /// `age`, `size`, `free_space`; `migration`: rows from before there was a chain; `restored`: ids that
    /// were passed over.
    pub reason: String,
    /// The hash from which verification went on, of an anchor of links.
    #[serde(skip)]
    pub hash: Option<[u8; 32]>,
}

/// A head that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HeadCheck {
    /// The head.
    pub head: ChainHead,
    /// What became of it.
    pub verdict: HeadVerdict,
}

/// What a verification has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// Links whose hash was computed again.
    pub links: u64,
    /// The newest link.
    pub head: Option<ChainHead>,
    /// By table.
    pub tables: BTreeMap<&'static str, Protection>,
    /// What retention and the migration left.
    pub anchors: Vec<AnchorSummary>,
    /// Sessions that somebody had deleted.
    pub deletions: Vec<DeletionSummary>,
    /// What SQLite's own `integrity_check` found; empty where it found nothing.
    pub damage: Vec<String>,
    /// What is wrong, the first thousand.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub findings_total: u64,
    /// The heads asked about, in their order.
    pub heads: Vec<HeadCheck>,
}

impl Verification {
    /// How many of the heads asked about the chain contradicts.
    #[must_use]
    pub fn wrong_heads(&self) -> usize {
        let wrong =
            |head: &&HeadCheck| !matches!(head.verdict, HeadVerdict::Holds | HeadVerdict::Removed);
        self.heads.iter().filter(wrong).count()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.findings_total == 0 && self.wrong_heads() == 0
    }

    fn find(&mut self, table: &'static str, id: i64, problem: impl Into<String>) {
        self.findings_total += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding {
                table,
                id,
                problem: problem.into(),
            });
        }
    }

    fn table(&mut self, kind: Kind) -> &mut Protection {
        self.tables.entry(kind.table()).or_default()
    }
}

impl StoreReader {
    /// Verifies the whole database as it is now: SQLite's own check, then every link of the chain and every
    /// row. `heads` were written down elsewhere before.
    ///
    /// Reads everything once, in one transaction: the log grows meanwhile where somebody writes.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read at all; damage met on the way is a finding.
    pub fn verify(&self, heads: &[ChainHead]) -> Result<Verification, StoreError> {
        let explain = |error| self.context().explain("verifying", error);
        let snapshot = self
            .file
            .connection
            .unchecked_transaction()
            .map_err(explain)?;
        let mut found = Verification::default();
        match faults(&snapshot, &format!("integrity_check({MOST_OF_SQLITE})")) {
            Ok(damage) => found.damage = damage,
            Err(error) => found.damage.push(error.to_string()),
        }
        match Walk::new(&snapshot, heads).and_then(|walk| walk.run(&mut found)) {
            Ok(()) => {}
            Err(error) => match explain(error) {
                StoreError::Corrupt { detail, .. } => {
                    found.damage.push(format!("reading stopped: {detail}"));
                }
                other => return Err(other),
            },
        }
        Ok(found)
    }
}

/// What is no hash fits no link.
fn hash_of(bytes: &[u8]) -> Hash {
    Hash::try_from(bytes).unwrap_or([0xff; 32])
}

/// A link as it is stored.
struct Link {
    head: ChainHead,
    kind: Vec<u8>,
    row: i64,
    digest: Vec<u8>,
}

/// An anchor as it is stored.
struct Anchor {
    id: i64,
    digest: Hash,
    /// Of links: the hash before the first.
    hash_before: Option<Hash>,
    told: AnchorSummary,
}

/// The rows of a kind, in the order of their ids.
struct Cursor<'s> {
    kind: Kind,
    rows: Rows<'s>,
    next: Option<(i64, Hash)>,
    /// The largest id that had a link.
    newest_linked: i64,
}

impl Cursor<'_> {
    fn advance(&mut self) -> rusqlite::Result<()> {
        self.next = match self.rows.next()? {
            None => None,
            Some(row) => Some((row.get(0)?, digest_row(self.kind, row)?)),
        };
        Ok(())
    }
}

/// What is known while the chain is walked along.
struct Walk<'a> {
    connection: &'a Connection,
    heads: Vec<(ChainHead, Option<HeadVerdict>)>,
    anchors: Vec<Anchor>,
    /// The newest digest an anchor has a link for.
    anchored: HashMap<i64, Vec<u8>>,
    /// Sessions with a link of their start, and the newest digest of their end.
    begun: HashSet<i64>,
    ended: HashMap<i64, Vec<u8>>,
    /// The largest id that had a link, by table.
    newest_linked: HashMap<&'static str, i64>,
    /// Sessions with a tombstone, which the link of their end holds.
    deletions: BTreeMap<i64, SessionDeletion>,
    /// Rows that are missing with their session, by session and table.
    missing_with: HashMap<(i64, &'static str), u64>,
}

impl<'a> Walk<'a> {
    fn new(connection: &'a Connection, heads: &[ChainHead]) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(
            "SELECT id, what, first_id, last_id, row_count, reason, hash, hash_before \
             FROM chain_anchors ORDER BY id",
        )?;
        let anchors = statement.query_map([], |row| {
            let hash = |column| -> rusqlite::Result<Option<Hash>> {
                Ok(row.get_ref(column)?.as_blob_or_null()?.map(hash_of))
            };
            let id = row.get(0)?;
            Ok(Anchor {
                id,
                digest: stored(connection, Kind::Anchor, id)?,
                hash_before: hash(7)?,
                told: AnchorSummary {
                    what: row.get(1)?,
                    first_id: row.get(2)?,
                    last_id: row.get(3)?,
                    rows: row.get(4)?,
                    reason: row.get(5)?,
                    hash: hash(6)?,
                },
            })
        })?;
        Ok(Self {
            connection,
            heads: heads.iter().map(|head| (*head, None)).collect(),
            anchors: anchors.collect::<rusqlite::Result<_>>()?,
            anchored: HashMap::new(),
            begun: HashSet::new(),
            ended: HashMap::new(),
            newest_linked: HashMap::new(),
            deletions: deletions(connection)?,
            missing_with: HashMap::new(),
        })
    }

    fn anchors_of(&self, table: &str) -> impl Iterator<Item = &AnchorSummary> {
        let anchors = self.anchors.iter().map(|anchor| &anchor.told);
        anchors.filter(move |anchor| anchor.what == table)
    }

    /// Up to which id rows of a table are rightly missing.
    fn deleted_up_to(&self, table: &str) -> i64 {
        let anchors = self.anchors_of(table);
        let deleted = anchors.filter(|anchor| is_of_retention(anchor));
        deleted.map(|anchor| anchor.last_id).max().unwrap_or(0)
    }

    /// Up to which id, and how many, rows of a table are from before there was a chain.
    fn before_the_chain(&self, table: &str) -> (i64, i64) {
        self.anchors_of(table)
            .filter(|anchor| anchor.reason == "migration")
            .map(|anchor| (anchor.last_id, anchor.rows))
            .max()
            .unwrap_or((0, 0))
    }

    /// Up to which id nothing is missing of a table whose rows are known up to `known`: anchors may go on
    /// from there, those of ids passed over only where they begin.
    fn known_up_to(&self, table: &str, mut known: i64) -> i64 {
        while let Some(further) = self
            .anchors_of(table)
            .filter(|anchor| {
                anchor.last_id > known
                    && (anchor.reason != "restored" || anchor.first_id <= known.saturating_add(1))
            })
            .map(|anchor| anchor.last_id)
            .max()
        {
            known = further;
        }
        known
    }

    /// Ids go up by one. Where they leap without an anchor, rows were cut off the end with their links, and
    /// then the database went on. `before`: the row before this one. The first row of a table may have any
    /// id: a fresh database goes on after the ids of one that was quarantined.
    fn look_for_leap(&self, found: &mut Verification, table: &'static str, before: i64, row: i64) {
        if row.saturating_sub(1) <= before {
            return;
        }
        let known = self.known_up_to(table, before);
        if known > 0 && row.saturating_sub(1) > known {
            found.find(
                table,
                known + 1,
                format!(
                    "ids up to {} were given: rows were cut off the end before others were added",
                    row - 1
                ),
            );
        }
    }

    fn run(mut self, found: &mut Verification) -> rusqlite::Result<()> {
        let mut statements = Vec::new();
        for kind in Kind::NUMBERED {
            let sql = format!("{} ORDER BY t.id", select(kind));
            statements.push((kind, self.connection.prepare(&sql)?));
        }
        let mut cursors = HashMap::new();
        for (kind, statement) in &mut statements {
            let mut cursor = Cursor {
                kind: *kind,
                rows: statement.query([])?,
                next: None,
                newest_linked: 0,
            };
            cursor.advance()?;
            cursors.insert(*kind, cursor);
        }
        let mut links = self
            .connection
            .prepare("SELECT id, session, kind, row_id, digest, hash FROM chain ORDER BY id")?;
        let mut links = links.query([])?;
        let (mut newest, mut before) = (0, Some(BEGINNING));
        while let Some(row) = links.next()? {
            let bytes = |column| -> rusqlite::Result<Vec<u8>> {
                Ok(row.get_ref(column)?.as_bytes().unwrap_or_default().to_vec())
            };
            let head = ChainHead {
                session: row.get(1)?,
                link: row.get(0)?,
                hash: hash_of(&bytes(5)?),
            };
            let link = Link {
                head,
                kind: bytes(2)?,
                row: row.get(3)?,
                digest: bytes(4)?,
            };
            before = self.follow(found, newest, before, head.link);
            newest = head.link;
            found.links += 1;
            let follows = before.is_none_or(|before| {
                let (kind, digest) = (&link.kind, &link.digest);
                link_hash(&before, head.link, head.session, kind, link.row, digest) == head.hash
            });
            if !follows {
                let problem =
                    "this link or the one before it was changed: its hash does not follow";
                found.find("chain", head.link, problem);
            }
            before = Some(head.hash);
            self.compare_heads(&head);
            found.head = Some(head);
            match Kind::from_name(&link.kind) {
                None => found.find("chain", head.link, "a link of no known kind"),
                Some(Kind::Anchor) => drop(self.anchored.insert(link.row, link.digest)),
                // a later one of the same session counts
                Some(Kind::End) => drop(self.ended.insert(link.row, link.digest)),
                Some(kind) => {
                    if kind == Kind::Session {
                        self.begun.insert(link.row);
                    }
                    if let Some(cursor) = cursors.get_mut(&kind) {
                        self.walked(found, cursor, &link)?;
                    }
                }
            }
        }
        self.rest(found, cursors)?;
        self.sessions(found)?;
        self.labels_and_deletions(found)?;
        self.anchors_have_links(found);
        self.given_ids(found)?;
        self.corrected_beats(found)?;
        self.corrected_stretches(found)?;
        self.judge_heads(found);
        Ok(())
    }

    /// The hash that link `next` must follow, `None` where it is not known.
    fn follow(
        &self,
        found: &mut Verification,
        newest: i64,
        before: Option<Hash>,
        next: i64,
    ) -> Option<Hash> {
        // ids of a stranger's file may be any
        let (first, last) = (newest.saturating_add(1), next.saturating_sub(1));
        if next == first {
            return before;
        }
        let mut anchors = self.anchors.iter();
        let Some(anchor) = anchors.find(|Anchor { told, .. }| {
            told.what == "chain" && told.first_id == first && told.last_id == last
        }) else {
            let problem = format!("links {first} to {last} are missing");
            found.find("chain", first, problem);
            return None;
        };
        if anchor.hash_before != before {
            let problem = "the link before it does not have the hash that this anchor follows";
            found.find("chain_anchors", anchor.id, problem);
        }
        anchor.told.hash
    }

    /// A link about a row that is walked to.
    fn walked(
        &mut self,
        found: &mut Verification,
        cursor: &mut Cursor<'_>,
        link: &Link,
    ) -> rusqlite::Result<()> {
        let table = cursor.kind.table();
        let (changed, deleted) = match cursor.kind {
            Kind::Session => ("what is fixed from its start was changed", "deleted"),
            _ => (
                "changed: it is not the row that was committed",
                "deleted, and not by retention",
            ),
        };
        if link.row <= cursor.newest_linked {
            let problem = format!(
                "{table} {} comes after a later row: the order was changed",
                link.row
            );
            found.find("chain", link.head.link, problem);
            return Ok(());
        }
        let mut before = cursor.newest_linked;
        cursor.newest_linked = link.row;
        while let Some((id, _)) = cursor.next.filter(|(id, _)| *id < link.row) {
            before = before.max(id); // a finding of its own
            self.without_link(found, cursor)?;
        }
        self.look_for_leap(found, table, before, link.row);
        match cursor.next {
            Some((id, digest)) if id == link.row => {
                if *link.digest == digest {
                    found.table(cursor.kind).protected += 1;
                } else {
                    found.find(table, id, changed);
                }
                cursor.advance()
            }
            _ if link.row <= self.deleted_up_to(table) => {
                found.table(cursor.kind).deleted += 1;
                Ok(())
            }
            _ if self.may_have_gone_with_a_session(link, cursor.kind) => {
                found.table(cursor.kind).deleted_with_session += 1;
                let missing = self.missing_with.entry((link.head.session, table));
                *missing.or_default() += 1;
                Ok(())
            }
            _ => {
                found.find(table, link.row, deleted);
                Ok(())
            }
        }
    }

    /// The link of a correction names the session in which it was made, which may be another than the one it is of.
    fn may_have_gone_with_a_session(&self, link: &Link, kind: Kind) -> bool {
        if kind == Kind::Correction {
            return !self.deletions.is_empty();
        }
        self.deletions.contains_key(&link.head.session)
            && DELETED.iter().any(|(deleted, _)| *deleted == kind.table())
    }

    /// Whether labels are those of their sessions, and no more rows went with a session than it had.
    fn labels_and_deletions(&self, found: &mut Verification) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(
            "SELECT id, patient_label, label_salt, label_digest FROM sessions \
             WHERE coalesce(patient_label, label_salt, label_digest) IS NOT NULL ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            let [label, salt, digest] = [1, 2, 3].map(|column| {
                let value = row.get_ref(column);
                value.map(|value| value.as_bytes_or_null().ok().flatten().map(<[u8]>::to_vec))
            });
            let erased = self.deletions.contains_key(&id);
            let problem = match (label?, salt?, digest?) {
                (None, None, Some(_)) if erased => continue,
                (Some(label), Some(salt), Some(digest))
                    if !erased && label_digest(&salt, &label)[..] == *digest =>
                {
                    continue;
                }
                (None, ..) => "the patient's label was removed",
                _ if erased => "it is deleted, but has a patient's label",
                _ => "the patient's label was changed",
            };
            found.find("sessions", id, problem);
        }
        let corrections = Kind::Correction.table();
        let missing = self.missing_with.iter();
        let missing = missing.filter(|((_, table), _)| *table == corrections);
        let missing: u64 = missing.map(|(_, count)| count).sum();
        let told: u64 = self.deletions.values().map(|it| it.rows.corrections).sum();
        if missing > told {
            let problem =
                format!("{missing} rows are missing, of which {told} were deleted with sessions");
            found.find(corrections, 0, problem);
        }
        for (&session, deletion) in &self.deletions {
            for (table, _) in DELETED
                .into_iter()
                .filter(|(table, _)| *table != corrections)
            {
                let missing = self.missing_with.get(&(session, table)).copied();
                let (missing, told) = (missing.unwrap_or(0), deletion.rows.in_table(table));
                if missing > told {
                    let problem = format!(
                        "{missing} rows are missing that were in session {session}, of which {told} \
                         were deleted with it"
                    );
                    found.find(table, 0, problem);
                }
            }
            found.deletions.push(DeletionSummary {
                session,
                wall_us: deletion.at.0,
                by: deletion.by.clone(),
                rows: deletion.rows,
            });
        }
        Ok(())
    }

    /// The next row has no link.
    fn without_link(
        &self,
        found: &mut Verification,
        cursor: &mut Cursor<'_>,
    ) -> rusqlite::Result<()> {
        let Some((id, _)) = cursor.next else {
            return Ok(());
        };
        if id <= self.before_the_chain(cursor.kind.table()).0 {
            found.table(cursor.kind).unprotected += 1;
        } else {
            found.find(cursor.kind.table(), id, ADDED);
        }
        cursor.advance()
    }

    /// Rows after the newest link.
    fn rest(
        &mut self,
        found: &mut Verification,
        cursors: HashMap<Kind, Cursor<'_>>,
    ) -> rusqlite::Result<()> {
        for (kind, mut cursor) in cursors {
            while cursor.next.is_some() {
                self.without_link(found, &mut cursor)?;
            }
            let table = kind.table();
            let (_, before) = self.before_the_chain(table);
            let unprotected = found.table(kind).unprotected;
            if i64::try_from(unprotected).is_ok_and(|unprotected| unprotected > before) {
                found.find(
                    table,
                    0,
                    format!(
                        "{unprotected} rows from before there was a chain, of {before} when it \
                         began: some were added"
                    ),
                );
            }
            self.newest_linked.insert(table, cursor.newest_linked);
        }
        Ok(())
    }

    /// The ends of sessions, and the counts of those that have not ended.
    fn sessions(&self, found: &mut Verification) -> rusqlite::Result<()> {
        let deletes = self
            .anchors
            .iter()
            .any(|anchor| is_of_retention(&anchor.told));
        let mut statement = self.connection.prepare(&format!(
            "SELECT s.id, s.end_reason IS NOT NULL, {COUNTS_AGREE}, \
             coalesce(s.end_monotonic_ns, s.end_wall_us, s.deleted_wall_us, s.deleted_by, \
             s.deleted_beats, s.deleted_maps, s.deleted_gaps, s.deleted_events, \
             s.deleted_ecg_blocks, s.deleted_corrections) IS NULL FROM sessions s ORDER BY s.id"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, has_ended, counts_agree, no_end): (i64, bool, bool, bool) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let begun = self.begun.contains(&id);
            match self.ended.get(&id) {
                Some(digest) if *digest != stored(self.connection, Kind::End, id)? => {
                    found.find("sessions", id, "its end or its counts were changed");
                }
                None if has_ended && begun => {
                    found.find(
                        "sessions",
                        id,
                        "it has ended, but its end is not in the chain",
                    );
                }
                None if begun && !no_end => {
                    found.find(
                        "sessions",
                        id,
                        "it has not ended, but says when it did or was deleted",
                    );
                }
                None if begun && !deletes && !counts_agree => {
                    found.find("sessions", id, "its counts are not those of its rows");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn anchors_have_links(&self, found: &mut Verification) {
        let mut anchored = self.anchored.clone();
        for Anchor { id, digest, .. } in &self.anchors {
            match anchored.remove(id) {
                Some(linked) if linked == digest => {}
                Some(_) => found.find("chain_anchors", *id, "changed"),
                // those of the migration have theirs from the first commit on
                None if found.links == 0 => {}
                None => found.find("chain_anchors", *id, ADDED),
            }
        }
        let mut deleted: Vec<i64> = anchored.into_keys().collect();
        deleted.sort_unstable();
        for id in deleted {
            found.find("chain_anchors", id, "deleted");
        }
        found.anchors = self
            .anchors
            .iter()
            .map(|anchor| anchor.told.clone())
            .collect();
    }

    /// Ids are never given twice: one that was given beyond the newest row known is a row cut off.
    fn given_ids(&self, found: &mut Verification) -> rusqlite::Result<()> {
        for table in Kind::NUMBERED.map(Kind::table) {
            let given = newest_given(self.connection, table)?;
            let linked = self.newest_linked.get(table).copied().unwrap_or(0);
            let known = self.known_up_to(table, linked);
            // a fresh database goes on after the ids of one that was quarantined
            if known > 0 && given > known {
                found.find(
                    table,
                    known + 1,
                    format!("ids up to {given} were given: rows were cut off the end"),
                );
            }
        }
        Ok(())
    }

    /// What finds corrections by their beats is made of their own lists.
    fn corrected_beats(&self, found: &mut Verification) -> rusqlite::Result<()> {
        // a list that was changed is none, perhaps, and a finding already
        let listed = "SELECT j.value, c.id FROM corrections c, \
                      json_each(CASE WHEN json_valid(c.beats) THEN c.beats END) j";
        let kept = "SELECT beat, correction FROM corrected_beats";
        for (more, less, what) in [(listed, kept, "lacks"), (kept, listed, "adds")] {
            let mut statement = self
                .connection
                .prepare(&format!("{more} EXCEPT {less} ORDER BY 1, 2"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (beat, correction): (i64, i64) = (row.get(0)?, row.get(1)?);
                let problem = format!("{what} beat {beat} of correction {correction}");
                found.find("corrected_beats", beat, problem);
            }
        }
        Ok(())
    }

    /// As [`Self::corrected_beats`], of stretches.
    fn corrected_stretches(&self, found: &mut Verification) -> rusqlite::Result<()> {
        // parts differ from each other, so that their number and both ends tell which they are
        let mut statement = self.connection.prepare(
            "WITH told AS (SELECT id, session, from_sample >> 16 AS first, \
             (to_sample - 1) >> 16 AS last FROM corrections WHERE target = 'stretch'), \
             kept AS (SELECT correction, min(session) AS session, max(session) AS other, \
             min(part) AS first, max(part) AS last, count(*) AS parts \
             FROM corrected_stretches GROUP BY correction) \
             SELECT coalesce(id, correction) FROM told FULL JOIN kept ON correction = id \
             WHERE kept.session IS NOT told.session OR kept.other IS NOT told.session \
             OR kept.first IS NOT told.first OR kept.last IS NOT told.last \
             OR kept.parts IS NOT told.last - told.first + 1 ORDER BY 1",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let problem = "the parts of this stretch are not those of its correction";
            found.find("corrected_stretches", row.get(0)?, problem);
        }
        Ok(())
    }

    fn compare_heads(&mut self, found: &ChainHead) {
        for (head, verdict) in &mut self.heads {
            if head.link == found.link {
                *verdict = Some(if head == found {
                    HeadVerdict::Holds
                } else {
                    HeadVerdict::Differs
                });
            }
        }
    }

    fn judge_heads(&self, found: &mut Verification) {
        for &(head, verdict) in &self.heads {
            let removed = || {
                let mut holes = self
                    .anchors_of("chain")
                    .filter(|hole| (hole.first_id..=hole.last_id).contains(&head.link));
                match holes.next() {
                    None => HeadVerdict::Missing,
                    Some(hole) if hole.last_id != head.link => HeadVerdict::Removed,
                    Some(hole) if hole.hash == Some(head.hash) => HeadVerdict::Holds,
                    Some(_) => HeadVerdict::Differs,
                }
            };
            let verdict = verdict.unwrap_or_else(removed);
            found.heads.push(HeadCheck { head, verdict });
        }
    }
}

/// The tombstones by session; one that cannot be read is none, and the link of its end does not fit it.
fn deletions(connection: &Connection) -> rusqlite::Result<BTreeMap<i64, SessionDeletion>> {
    let mut statement = connection.prepare(
        "SELECT id, deleted_wall_us, deleted_by, deleted_beats, deleted_maps, deleted_gaps, \
         deleted_events, deleted_ecg_blocks, deleted_corrections FROM sessions \
         WHERE deleted_wall_us IS NOT NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        match tombstone(row, 1) {
            Ok(Some(deletion)) => drop(found.insert(row.get(0)?, deletion)),
            Err(RowError::Sqlite(error)) if error.sqlite_error().is_some() => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(found)
}

const ADDED: &str = "not in the chain: added by something else than this program";

/// Whether the counts of session `s` are those of its rows.
const COUNTS_AGREE: &str = "\
    s.beats_n = (SELECT count(*) FROM beats b WHERE b.session = s.id AND b.class = 'N') AND \
    s.beats_l = (SELECT count(*) FROM beats b WHERE b.session = s.id AND b.class = 'L') AND \
    s.beats_r = (SELECT count(*) FROM beats b WHERE b.session = s.id AND b.class = 'R') AND \
    s.beats_a = (SELECT count(*) FROM beats b WHERE b.session = s.id AND b.class = 'A') AND \
    s.beats_v = (SELECT count(*) FROM beats b WHERE b.session = s.id AND b.class = 'V') AND \
    s.beats_unclassifiable = (SELECT count(*) FROM beats b WHERE b.session = s.id \
    AND b.unclassifiable IS NOT NULL) AND \
    s.gaps = (SELECT count(*) FROM gaps g WHERE g.session = s.id) AND \
    s.missing_samples = (SELECT total(missing_samples) FROM gaps g WHERE g.session = s.id) AND \
    s.events = (SELECT count(*) FROM events e WHERE e.session = s.id) AND \
    s.samples = (SELECT total(samples) FROM ecg_blocks k WHERE k.session = s.id)";
