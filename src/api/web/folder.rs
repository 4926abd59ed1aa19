//! A folder that nobody but its owner can look into, and its files.
//!
//! Everything is done relative to the open folder and follows no links, so that whoever may write
//! beside it, or in it, cannot turn root's hand to another file.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, Stat, fchown, fstat, fsync, mkdirat, openat,
    renameat_with, unlinkat,
};
use rustix::process::geteuid;

use super::error::TokensError;
use super::record::MOST_BYTES;

/// Group and others.
const OTHERS: u32 = 0o077;

/// Who opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// The daemon: the folder must be its own.
    Owner,
    /// A command: root may work in a folder of the daemon's user, whose every file is then his.
    Helper,
}

/// The open folder.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    owner: (u32, u32),
}

impl Folder {
    /// Opens it, and makes it first where it is not there.
    pub(super) fn open_or_make(path: &Path, role: As) -> Result<Self, TokensError> {
        let made = match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) => true,
            Err(rustix::io::Errno::EXIST) => false,
            Err(error) => return Err(TokensError::io(path, "making it", error)),
        };
        if made && geteuid().is_root() {
            // the daemon's user has the folder around it
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            let failed = |error| TokensError::io(path, "giving it to its owner", error);
            let around = rustix::fs::stat(parent).map_err(failed)?;
            let fd = open_folder(path)?;
            if role == As::Helper && fstat(&fd).map_err(failed)?.st_uid == 0 {
                give(&fd, (around.st_uid, around.st_gid)).map_err(failed)?;
            }
        }
        Self::open(path, role)
    }

    /// Opens it where it is safe.
    pub(super) fn open(path: &Path, role: As) -> Result<Self, TokensError> {
        let fd = open_folder(path)?;
        let stat = fstat(&fd).map_err(|error| TokensError::io(path, "looking at it", error))?;
        let own = geteuid();
        refuse_unsafe(
            path,
            &stat,
            match role {
                As::Helper if own.is_root() => stat.st_uid,
                _ => own.as_raw(),
            },
        )?;
        Ok(Self {
            fd,
            path: path.to_owned(),
            owner: (stat.st_uid, stat.st_gid),
        })
    }

    /// The names in it with this ending, without it.
    pub(super) fn names(&self, ending: &str) -> Result<Vec<String>, TokensError> {
        let failed = |error| TokensError::io(&self.path, "listing it", error);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().ok();
            names.extend(
                name.and_then(|name| name.strip_suffix(ending))
                    .map(str::to_owned),
            );
        }
        names.sort();
        Ok(names)
    }

    /// What a file holds, at most [`MOST_BYTES`], and when it was last written; `None` where it is not
    /// there.
    pub(super) fn read(&self, name: &str) -> Result<Option<(Vec<u8>, SystemTime)>, TokensError> {
        let path = self.path.join(name);
        // not to be held up by a named pipe
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(TokensError::io(&path, "opening it", error)),
        };
        let stat = fstat(&fd).map_err(|error| TokensError::io(&path, "looking at it", error))?;
        refuse_unsafe(&path, &stat, self.owner.0)?;
        let damaged = |why: &str| TokensError::Damaged {
            path: path.clone(),
            why: why.to_owned(),
        };
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(damaged("no regular file"));
        }
        let mut file = std::fs::File::from(fd);
        let mut bytes = Vec::new();
        let read = |file: &mut std::fs::File, bytes: &mut Vec<u8>| -> io::Result<SystemTime> {
            let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
            file.take(most + 1).read_to_end(bytes)?;
            file.metadata()?.modified()
        };
        let written = read(&mut file, &mut bytes)
            .map_err(|error| TokensError::io(&path, "reading it", error))?;
        if bytes.len() > MOST_BYTES {
            return Err(damaged("too long"));
        }
        Ok(Some((bytes, written)))
    }

    /// Makes a file that was not there, whole or not at all.
    pub(super) fn make(&self, name: &str, text: &str) -> Result<(), TokensError> {
        let path = self.path.join(name);
        let draft = format!(
            ".{}.new",
            super::secret::random_id().map_err(|error| {
                TokensError::io(&path, "asking the kernel for random bytes", error)
            })?
        );
        let outcome = self.write(&draft, text).and_then(|()| {
            renameat_with(&self.fd, &draft, &self.fd, name, RenameFlags::NOREPLACE)?;
            fsync(&self.fd)?;
            Ok(())
        });
        outcome.map_err(|error| {
            let _ = unlinkat(&self.fd, &draft, AtFlags::empty());
            TokensError::io(&path, "writing it", error)
        })
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let fd = openat(
            &self.fd,
            name,
            flags | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )?;
        if geteuid().as_raw() != self.owner.0 {
            give(&fd, self.owner)?;
        }
        let mut file = std::fs::File::from(fd);
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Removes a file: true for the one caller that did it, of however many try.
    pub(super) fn remove(&self, name: &str) -> Result<bool, TokensError> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => {
                let _ = fsync(&self.fd); // a medium that cannot keep it has said so elsewhere
                Ok(true)
            }
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(TokensError::io(&self.path.join(name), "removing it", error)),
        }
    }

    /// Says that a file is in use now.
    pub(super) fn touch(&self, name: &str) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = openat(&self.fd, name, flags, Mode::empty())?;
        std::fs::File::from(fd).set_modified(SystemTime::now())
    }
}

fn open_folder(path: &Path) -> Result<OwnedFd, TokensError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
        .map_err(|error| TokensError::io(path, "opening it", error))
}

fn give(fd: &OwnedFd, (uid, gid): (u32, u32)) -> rustix::io::Result<()> {
    use rustix::process::{Gid, Uid};
    fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

fn refuse_unsafe(path: &Path, stat: &Stat, owner: u32) -> Result<(), TokensError> {
    let refuse = |why| {
        Err(TokensError::Unsafe {
            path: path.to_owned(),
            why,
        })
    };
    if stat.st_mode & OTHERS != 0 {
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        let right = if kind.is_dir() { "0700" } else { "0600" };
        return refuse(format!(
            "its mode {:04o} lets others in, expected {right} (chmod {right} {})",
            stat.st_mode & 0o7777,
            path.display()
        ));
    }
    if stat.st_uid != owner {
        return refuse(format!(
            "it belongs to user {}, expected {owner}",
            stat.st_uid
        ));
    }
    Ok(())
}

/// A name with its ending.
pub(super) fn named(stem: impl std::fmt::Display, ending: &str) -> String {
    format!("{stem}{ending}")
}

/// Where the tokens are unless somebody says otherwise: beside the database.
pub(super) fn beside(database: &Path) -> PathBuf {
    database
        .parent()
        .unwrap_or(Path::new(""))
        .join(OsStr::new("web-tokens"))
}
