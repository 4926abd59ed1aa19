//! Named tokens and the single-use addresses made from them: files in one folder.
//!
//! `NAME.token` is a token, `HASH.address` an address that was printed and not used, `HASH.session` a
//! browser that signed in. A secret is nowhere; its hash is the file's name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ecg_chain::WallUs;

use super::error::TokensError;
use super::folder::{As, Folder, beside, named};
use super::record::{Kind, Record};
use super::secret::{Hash, Secret, random_id};
use crate::api::browser::TokenName;

pub(super) const TOKEN: &str = ".token";
pub(super) const ADDRESS: &str = ".address";
pub(super) const SESSION: &str = ".session";

/// Most tokens at a time.
pub const MOST_TOKENS: usize = 64;
/// Most addresses that wait for their use.
const MOST_ADDRESSES: usize = 256;
/// An address that is not used within this expires.
pub const ADDRESS_LIFE_SECONDS: u64 = 300;

/// A named token: who it stands for, and what that one may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebToken {
    /// Its name, which stands in the audit.
    pub name: TokenName,
    /// Whether it may control, beside reading.
    pub control: bool,
    /// When it was made, microseconds since 1970.
    pub made_us: i64,
    /// Sessions that browsers have with it, those that have gone idle included.
    pub sessions: usize,
    pub(super) id: String,
}

/// The folder of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebTokens {
    path: PathBuf,
}

/// What became of a token that somebody shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It was good, and is used up.
    Good(WebToken),
    /// Unknown, used, too old, or its token was revoked.
    NotValid,
}

impl WebTokens {
    /// Tokens in this folder, which is made with the first one.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// In the folder `web-tokens` beside a database.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        Self::at(beside(database))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a token. Made by root, it belongs to the folder's owner.
    ///
    /// # Errors
    /// [`TokensError`].
    pub fn create(&self, name: TokenName, control: bool) -> Result<(), TokensError> {
        let folder = Folder::open_or_make(&self.path, As::Helper)?;
        let names = folder.names(TOKEN)?;
        if names.iter().any(|known| known == name.as_str()) {
            return Err(TokensError::Exists(name));
        }
        if names.len() >= MOST_TOKENS {
            return Err(TokensError::TooMany(MOST_TOKENS));
        }
        let record = Record {
            kind: Kind::Token { control },
            id: random_id().map_err(|error| self.no_random(error))?,
            made_us: WallUs::now().0,
        };
        match folder.make(&named(name, TOKEN), &record.text()) {
            Err(TokensError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                Err(TokensError::Exists(name))
            }
            outcome => outcome,
        }
    }

    /// All tokens by name, with their sessions; files that are refused are warned of through `warn`.
    ///
    /// # Errors
    /// [`TokensError`]; a folder that is not there has no tokens.
    pub fn list(&self, mut warn: impl FnMut(&TokensError)) -> Result<Vec<WebToken>, TokensError> {
        let folder = match Folder::open(&self.path, As::Helper) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            outcome => outcome?,
        };
        let mut tokens = read_tokens(&folder, &mut warn)?;
        for stem in folder.names(SESSION)? {
            if let Some((Kind::Session { token }, record, _)) =
                read(&folder, &named(stem, SESSION), &mut warn)
                && let Some(token) = tokens.get_mut(&token)
            {
                token.sessions += usize::from(token.id == record.id);
            }
        }
        Ok(tokens.into_values().collect())
    }

    /// Revokes a token: its addresses no longer count, and a running daemon ends its sessions and their
    /// connections within a second.
    ///
    /// # Errors
    /// [`TokensError`].
    pub fn revoke(&self, name: TokenName) -> Result<(), TokensError> {
        let folder = match Folder::open(&self.path, As::Helper) {
            Err(error) if error.is_not_found() => return Err(TokensError::Unknown(name)),
            outcome => outcome?,
        };
        // also where it is refused for its mode: whoever revokes it wants it gone
        if !folder.remove(&named(name, TOKEN))? {
            return Err(TokensError::Unknown(name));
        }
        for ending in [ADDRESS, SESSION] {
            for stem in folder.names(ending)? {
                let file = named(stem, ending);
                if let Some((Kind::Address { token } | Kind::Session { token }, ..)) =
                    read(&folder, &file, &mut |_| {})
                    && token == name
                {
                    folder.remove(&file)?;
                }
            }
        }
        Ok(())
    }

    /// Makes a secret that lets one browser in with this token, once, within
    /// [`ADDRESS_LIFE_SECONDS`]: what stands behind `#token=` in an address.
    ///
    /// # Errors
    /// [`TokensError`].
    pub fn single_use(&self, name: TokenName) -> Result<String, TokensError> {
        let folder = match Folder::open(&self.path, As::Helper) {
            Err(error) if error.is_not_found() => return Err(TokensError::Unknown(name)),
            outcome => outcome?,
        };
        let mut refused = None;
        let known = read_tokens(&folder, &mut |error| refused = Some(error.to_string()))?;
        let Some(token) = known.get(&name) else {
            return Err(match refused {
                Some(why)
                    if folder
                        .names(TOKEN)?
                        .iter()
                        .any(|known| known == name.as_str()) =>
                {
                    TokensError::Damaged {
                        path: self.path.join(named(name, TOKEN)),
                        why,
                    }
                }
                _ => TokensError::Unknown(name),
            });
        };
        sweep_addresses(&folder)?;
        if folder.names(ADDRESS)?.len() >= MOST_ADDRESSES {
            return Err(TokensError::TooManyAddresses(MOST_ADDRESSES));
        }
        let secret = Secret::new().map_err(|error| self.no_random(error))?;
        let record = Record {
            kind: Kind::Address { token: name },
            id: token.id.clone(),
            made_us: WallUs::now().0,
        };
        folder.make(&named(secret.hash().text(), ADDRESS), &record.text())?;
        Ok(secret.text().to_owned())
    }

    /// Uses up a secret of [`WebTokens::single_use`]. Of however many that show it, in however many
    /// processes, one gets [`Shown::Good`]: the one that removes its file.
    pub(super) fn use_up(&self, shown: &str) -> Result<Shown, TokensError> {
        let Some(hash) = Secret::from_text(shown).map(|secret| secret.hash()) else {
            return Ok(Shown::NotValid);
        };
        let folder = Folder::open(&self.path, As::Owner)?;
        let stems = folder.names(ADDRESS)?;
        // each is compared, whether or not one before it was the one
        let found = stems.iter().fold(None, |found, stem| {
            let same = Hash::from_text(stem).is_some_and(|known| known.is(&hash));
            if same { Some(stem) } else { found }
        });
        let Some(stem) = found else {
            return Ok(Shown::NotValid);
        };
        let file = named(stem, ADDRESS);
        let mut refused = None;
        let read = read(&folder, &file, &mut |error| {
            refused = Some(error.to_string());
        });
        if let Some(why) = refused {
            tracing::warn!(why, "a file beside the tokens is refused");
        }
        if !folder.remove(&file)? {
            return Ok(Shown::NotValid);
        }
        let Some((Kind::Address { token }, record, _)) = read else {
            return Ok(Shown::NotValid);
        };
        let tokens = read_tokens(&folder, &mut |_| {})?;
        Ok(match tokens.get(&token) {
            Some(known) if known.id == record.id && is_fresh(record.made_us) => {
                Shown::Good(known.clone())
            }
            _ => Shown::NotValid,
        })
    }

    fn no_random(&self, error: std::io::Error) -> TokensError {
        TokensError::io(&self.path, "asking the kernel for random bytes", error)
    }
}

/// Whether an address made then may be used. One from the future is not: the clock was set back, and
/// nobody knows how old it is.
fn is_fresh(made_us: i64) -> bool {
    let age_us = WallUs::now().0.saturating_sub(made_us);
    let life_us = i64::try_from(ADDRESS_LIFE_SECONDS * 1_000_000).unwrap_or(i64::MAX);
    (0..=life_us).contains(&age_us)
}

/// Removes addresses that can no longer be used.
pub(super) fn sweep_addresses(folder: &Folder) -> Result<(), TokensError> {
    for stem in folder.names(ADDRESS)? {
        let file = named(stem, ADDRESS);
        let fresh =
            read(folder, &file, &mut |_| {}).is_some_and(|(_, record, _)| is_fresh(record.made_us));
        if !fresh {
            folder.remove(&file)?;
        }
    }
    Ok(())
}

/// The tokens of a folder; what is wrong with a file goes to `warn`, and the file counts for nothing.
pub(super) fn read_tokens(
    folder: &Folder,
    warn: &mut dyn FnMut(&TokensError),
) -> Result<BTreeMap<TokenName, WebToken>, TokensError> {
    let names: BTreeSet<TokenName> = folder
        .names(TOKEN)?
        .iter()
        .filter_map(|name| TokenName::new(name))
        .take(MOST_TOKENS)
        .collect();
    let mut tokens = BTreeMap::new();
    for name in names {
        if let Some((Kind::Token { control }, record, _)) = read(folder, &named(name, TOKEN), warn)
        {
            let token = WebToken {
                name,
                control,
                made_us: record.made_us,
                sessions: 0,
                id: record.id,
            };
            tokens.insert(name, token);
        }
    }
    Ok(tokens)
}

/// A file's record and when it was last written; `None` where it is not there or is refused.
pub(super) fn read(
    folder: &Folder,
    file: &str,
    warn: &mut dyn FnMut(&TokensError),
) -> Option<(Kind, Record, SystemTime)> {
    match folder.read(file) {
        Ok(None) => None,
        Ok(Some((bytes, written))) => {
            let record = Record::parse(&bytes);
            if record.is_none() {
                warn(&TokensError::Damaged {
                    path: PathBuf::from(file),
                    why: "it is not what this program writes, and counts for nothing".to_owned(),
                });
            }
            record.map(|record| (record.kind, record, written))
        }
        Err(error) => {
            warn(&error);
            None
        }
    }
}
