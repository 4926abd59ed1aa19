//! Browsers that have signed in.
//!
//! Whoever shows a session's secret in the cookie is the token it was made with. Sessions are kept in
//! memory and as files, so that they outlast the daemon; asking for one never waits for the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

use ecg_chain::WallUs;
use tokio::sync::watch;

use super::error::TokensError;
use super::folder::{As, Folder, named};
use super::link::Link;
use super::record::{Kind, Record};
use super::secret::{Hash, Secret};
use super::tokens::{SESSION, Shown, WebToken, WebTokens, read, read_tokens, sweep_addresses};
use crate::api::browser::TokenName;
use crate::api::locked::locked;

/// A session that is not used for this long ends. A page that is open uses it.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(12 * 3_600);
/// A session ends after this, however it is used.
pub(super) const AGE_LIMIT: Duration = Duration::from_secs(30 * 86_400);
/// Most sessions of one token; the one that was not used for longest gives way to another.
pub(super) const MOST_OF_TOKEN: usize = 32;
/// That a session is in use is written to the disk this often.
const WRITE_EVERY: Duration = Duration::from_secs(600);
/// A session that has ended keeps its connections this long, so that they can say so.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(400);

/// Time since something, which may have been before this process began. Goes on by the monotonic clock:
/// a wall clock that is set ends no session.
#[derive(Debug, Clone, Copy)]
struct Since {
    before: Duration,
    noted: Instant,
}

impl Since {
    fn now() -> Self {
        Self::before(Duration::ZERO)
    }

    fn before(before: Duration) -> Self {
        Self {
            before,
            noted: Instant::now(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.before + self.noted.elapsed()
    }
}

#[derive(Debug)]
struct Entry {
    hash: Hash,
    token: TokenName,
    token_id: String,
    made: Since,
    used: Since,
    /// When its use was last written to the disk.
    written: Since,
    ended: watch::Sender<bool>,
    links: Vec<Weak<Link>>,
}

/// A session that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) hash: Hash,
    pub(super) token: TokenName,
    pub(super) control: bool,
    pub(super) ended: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct State {
    tokens: BTreeMap<TokenName, WebToken>,
    sessions: Vec<Entry>,
    /// Connections of sessions that have ended, to be cut.
    cut: Vec<(Hash, Weak<Link>)>,
    /// What was warned of already.
    said: BTreeSet<String>,
}

/// All sessions of one server.
#[derive(Debug)]
pub(super) struct Sessions {
    on_disk: WebTokens,
    state: Mutex<State>,
}

impl Sessions {
    /// Those that the folder has; it is made where it is not there. A disk that cannot be read or
    /// written keeps nobody from recording: then there are none yet, and it is looked at again.
    pub(super) fn open(on_disk: WebTokens) -> Result<Arc<Self>, TokensError> {
        let sessions = Self {
            on_disk,
            state: Mutex::default(),
        };
        match sessions.load() {
            Err(error @ TokensError::Io { .. }) => {
                tracing::error!(%error, "the tokens of the page cannot be read yet");
            }
            outcome => outcome?,
        }
        Ok(Arc::new(sessions))
    }

    fn load(&self) -> Result<(), TokensError> {
        let folder = Folder::open_or_make(self.on_disk.path(), As::Owner)?;
        let mut state = locked(&self.state);
        let State {
            tokens,
            sessions,
            said,
            ..
        } = &mut *state;
        *tokens = read_tokens(&folder, &mut |error| say_once(said, &error.to_string()))?;
        for stem in folder.names(SESSION)? {
            let file = named(&stem, SESSION);
            let read = read(&folder, &file, &mut |error| {
                say_once(said, &error.to_string());
            });
            let entry = Hash::from_text(&stem)
                .zip(read)
                .and_then(|(hash, (kind, record, written))| revive(hash, kind, &record, written));
            match entry.filter(|entry| !is_over(entry, tokens)) {
                Some(entry) => sessions.push(entry),
                None => {
                    folder.remove(&file)?;
                }
            }
        }
        sweep_addresses(&folder)
    }

    /// The session with this secret. Every session is compared, in a time that does not depend on which
    /// one it is; its use is noted.
    pub(super) fn find(&self, secret: &Secret) -> Option<Session> {
        let hash = secret.hash();
        let mut state = locked(&self.state);
        let State {
            tokens, sessions, ..
        } = &mut *state;
        let mut found = None;
        for entry in sessions {
            if entry.hash.is(&hash) {
                found = Some(entry);
            }
        }
        let entry = found.filter(|entry| !is_over(entry, tokens))?;
        entry.used = Since::now();
        let token = tokens.get(&entry.token)?;
        Some(Session {
            hash: entry.hash,
            token: entry.token,
            control: token.control,
            ended: entry.ended.subscribe(),
        })
    }

    /// Has a connection end with the session.
    pub(super) fn attach(&self, hash: &Hash, link: &Arc<Link>) {
        let mut state = locked(&self.state);
        if let Some(entry) = state.sessions.iter_mut().find(|entry| entry.hash.is(hash)) {
            entry.links.retain(|link| link.strong_count() > 0);
            entry.links.push(Arc::downgrade(link));
        }
    }

    /// Uses up a single-use token. Away from the thread that serves: it reads and writes the disk.
    ///
    /// `None` where the token is not valid; else the new session's secret.
    pub(super) fn begin(&self, shown: &str) -> Result<Option<(Secret, WebToken)>, TokensError> {
        let token = match self.on_disk.use_up(shown)? {
            Shown::Good(token) => token,
            Shown::NotValid => return Ok(None),
        };
        let failed = |error| {
            let doing = "asking the kernel for random bytes";
            TokensError::io(self.on_disk.path(), doing, error)
        };
        let secret = Secret::new().map_err(failed)?;
        let record = Record {
            kind: Kind::Session { token: token.name },
            id: token.id.clone(),
            made_us: WallUs::now().0,
        };
        let folder = Folder::open(self.on_disk.path(), As::Owner)?;
        if let Err(error) = folder.make(&named(secret.hash().text(), SESSION), &record.text()) {
            // it is there all the same, and ends with the daemon
            tracing::warn!(%error, "a session is not stored and will not outlast the daemon");
        }
        let entry = Entry {
            hash: secret.hash(),
            token: token.name,
            token_id: token.id.clone(),
            made: Since::now(),
            used: Since::now(),
            written: Since::now(),
            ended: watch::Sender::new(false),
            links: Vec::new(),
        };
        let crowded = {
            let mut state = locked(&self.state);
            // it may have come since the last look at the folder
            state.tokens.insert(token.name, token.clone());
            state.sessions.push(entry);
            let of_token = |entry: &&Entry| entry.token == token.name;
            let count = state.sessions.iter().filter(of_token).count();
            let oldest = state.sessions.iter().filter(of_token);
            let oldest = oldest.max_by_key(|entry| entry.used.elapsed());
            oldest
                .filter(|_| count > MOST_OF_TOKEN)
                .map(|entry| entry.hash)
        };
        if let Some(hash) = crowded {
            self.end(&hash);
        }
        Ok(Some((secret, token)))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        locked(&self.state).sessions.len()
    }

    /// Ends a session: signed out. Away from the thread that serves.
    pub(super) fn end(&self, hash: &Hash) {
        let ended: Vec<Entry> = {
            let mut state = locked(&self.state);
            state
                .sessions
                .extract_if(.., |entry| entry.hash.is(hash))
                .collect()
        };
        self.bury(&ended);
    }

    /// Looks at the folder again: ends the sessions of tokens that were revoked and those that are too
    /// old, and notes which are in use. To be called a few times per second, away from the thread that
    /// serves; gives the connections to be cut when they have had [`LAST_WORDS`].
    pub(super) fn look(&self) -> Vec<(Hash, Weak<Link>)> {
        let opened = Folder::open(self.on_disk.path(), As::Owner);
        let mut unsafe_files = Vec::new();
        let tokens = match &opened {
            Ok(folder) => read_tokens(folder, &mut |error| unsafe_files.push(error.to_string())),
            // nobody can be let in by a folder that is gone, or that others may write
            Err(error) if error.is_not_found() || matches!(error, TokensError::Unsafe { .. }) => {
                unsafe_files.push(error.to_string());
                Ok(BTreeMap::new())
            }
            Err(error) => {
                unsafe_files.push(error.to_string());
                Err(TokensError::io(
                    self.on_disk.path(),
                    "looking for revoked tokens",
                    std::io::Error::other("see above"),
                ))
            }
        };
        let mut state = locked(&self.state);
        for why in unsafe_files {
            say_once(&mut state.said, &why);
        }
        // a disk that cannot be read has revoked nothing
        if let Ok(tokens) = tokens {
            state.tokens = tokens;
        }
        let State {
            tokens, sessions, ..
        } = &mut *state;
        let mut in_use = Vec::new();
        let over: Vec<Entry> = sessions
            .extract_if(.., |entry| {
                entry.links.retain(|link| link.strong_count() > 0);
                if !entry.links.is_empty() {
                    entry.used = Since::now();
                }
                if entry.written.elapsed() > WRITE_EVERY && entry.used.elapsed() < WRITE_EVERY {
                    entry.written = Since::now();
                    in_use.push(entry.hash);
                }
                is_over(entry, tokens)
            })
            .collect();
        drop(state);
        if let Ok(folder) = opened {
            for hash in in_use {
                let _ = folder.touch(&named(hash.text(), SESSION)); // once more in a while
            }
        }
        self.bury(&over);
        std::mem::take(&mut locked(&self.state).cut)
    }

    /// Tells the connections of sessions that have ended, has them cut, and removes the files.
    fn bury(&self, ended: &[Entry]) {
        if ended.is_empty() {
            return;
        }
        for entry in ended {
            entry.ended.send_replace(true);
            let links = entry
                .links
                .iter()
                .map(|link| (entry.hash, Weak::clone(link)));
            locked(&self.state).cut.extend(links);
        }
        let removed = Folder::open(self.on_disk.path(), As::Owner).and_then(|folder| {
            ended.iter().try_for_each(|entry| {
                folder
                    .remove(&named(entry.hash.text(), SESSION))
                    .map(|_| ())
            })
        });
        match removed {
            Err(error) if !error.is_not_found() => {
                tracing::warn!(%error, "the file of a session that has ended is not removed");
            }
            _ => {}
        }
    }
}

fn is_over(entry: &Entry, tokens: &BTreeMap<TokenName, WebToken>) -> bool {
    let revoked = tokens
        .get(&entry.token)
        .is_none_or(|token| token.id != entry.token_id);
    revoked || entry.made.elapsed() > AGE_LIMIT || entry.used.elapsed() > IDLE_LIMIT
}

/// A session of an earlier daemon; `None` where the file says something else.
fn revive(hash: Hash, kind: Kind, record: &Record, written: SystemTime) -> Option<Entry> {
    let Kind::Session { token } = kind else {
        return None;
    };
    // where the clock was set back meanwhile, nothing counts from then on
    let age_us = WallUs::now().0.saturating_sub(record.made_us).max(0);
    let age = Duration::from_micros(age_us.unsigned_abs());
    let idle = written.elapsed().unwrap_or_default();
    Some(Entry {
        hash,
        token,
        token_id: record.id.clone(),
        made: Since::before(age),
        used: Since::before(idle),
        written: Since::before(idle),
        ended: watch::Sender::new(false),
        links: Vec::new(),
    })
}

fn say_once(said: &mut BTreeSet<String>, why: &str) {
    if said.len() < 256 && said.insert(why.to_owned()) {
        tracing::warn!(why, "refused beside the tokens of the page");
    }
}
