//! The socket file: created with its mode from the first moment, never stolen, never left behind.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::web::TokensError;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A server answers there: stop it or choose another path.
    #[error("{path}: another server is listening there")]
    InUse {
        /// The socket path.
        path: PathBuf,
    },
    /// Something else has this name; it was left untouched.
    #[error("{path}: exists and is not a socket, left untouched")]
    NotASocket {
        /// The socket path.
        path: PathBuf,
    },
    /// The tokens of the page are not safe, or cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The operating system refused.
    #[error("{path}: {doing}: {source}")]
    Io {
        /// The socket path.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

/// A listening socket whose file goes away with it.
#[derive(Debug)]
pub(super) struct BoundSocket {
    path: PathBuf,
    /// Device and inode of our file: another server may have replaced it by the time we leave.
    identity: (u64, u64),
}

/// Listens at `path`. The socket is made inside a fresh folder that only this user may enter, gets
/// its mode there and is renamed into place, so that nobody can connect under a wider mode, and
/// replacing a dead server's socket leaves no moment without one.
pub(super) fn bind(path: &Path, mode: u32) -> Result<(UnixListener, BoundSocket), SocketError> {
    let failed = |doing: &'static str| {
        move |source| SocketError::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    };
    // the rename below would give it a name that no client can ask for
    SocketAddr::from_pathname(path).map_err(failed("checking its length"))?;
    refuse_occupied(path)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // as short as can be: a socket path may have 107 bytes
    let folder = parent.join(format!(".{}", std::process::id()));
    let inside = folder.join("s");
    clear(&folder, &inside);
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(failed("creating a folder beside it"))?;
    let made = UnixListener::bind(&inside)
        .map_err(failed("creating the socket"))
        .and_then(|listener| {
            fs::set_permissions(&inside, Permissions::from_mode(mode))
                .map_err(failed("setting its mode"))?;
            let metadata = fs::symlink_metadata(&inside).map_err(failed("reading its mode"))?;
            listener
                .set_nonblocking(true)
                .map_err(failed("making it non-blocking"))?;
            fs::rename(&inside, path).map_err(failed("giving it its name"))?;
            let socket = BoundSocket {
                path: path.to_owned(),
                identity: (metadata.dev(), metadata.ino()),
            };
            Ok((listener, socket))
        });
    clear(&folder, &inside);
    made
}

/// Removes what an earlier try with our process id may have left.
fn clear(folder: &Path, inside: &Path) {
    let _ = fs::remove_file(inside);
    let _ = fs::remove_dir(folder);
}

fn refuse_occupied(path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Io {
        path: path.to_owned(),
        doing: "looking at what is there",
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        // dead, or gone meanwhile: the rename replaces it
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        // a full backlog is a living server too
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(failed(error)),
        _ => Err(SocketError::InUse {
            path: path.to_owned(),
        }),
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}
