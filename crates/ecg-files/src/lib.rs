//! Files: those from outside are opened only where they are regular files of a limited length, and
//! those this program makes get their name when they are whole.
//!
//! ```
//! use ecg_files::{read_whole, write_whole};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("settings.toml");
//! write_whole(&path, "gain = 6\n").unwrap();
//! assert_eq!(read_whole(&path, 1_024).unwrap(), b"gain = 6\n");
//! assert!(read_whole(&path, 4).is_err(), "longer than it may be");
//! ```

use std::fs::{File, FileType, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Opens a file that must be a regular one. A named pipe would hang the program until somebody
/// writes, a device might never end.
///
/// # Errors
/// The system's; [`io::ErrorKind::InvalidInput`] naming what was found instead of a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let judge = |kind: FileType| {
        let found = if kind.is_file() {
            return Ok(());
        } else if kind.is_dir() {
            "a directory"
        } else if kind.is_fifo() {
            "a named pipe"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "a device"
        };
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{found}, expected a regular file"),
        ))
    };
    // Before it is opened: opening a device may do something to it.
    judge(std::fs::metadata(path)?.file_type())?;
    // Opened without waiting, and looked at again: another file may have got the name meanwhile, and
    // opening a named pipe waits for its writer. Reading a regular file is the same either way.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    judge(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads a regular file that may have at most `most_bytes`.
///
/// # Errors
/// As [`open_regular`]; [`io::ErrorKind::FileTooLarge`] for a longer one.
pub fn read_regular(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    read_up_to(open_regular(path)?, most_bytes)
}

/// The bytes of a file of at most `most_bytes` bytes, which may be a pipe that a shell has made. More
/// than that is never read or kept, whatever the file is: also of a device that never ends.
///
/// # Errors
/// The system's; [`io::ErrorKind::FileTooLarge`] for a larger file.
pub fn read_whole(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    read_up_to(File::open(path)?, most_bytes)
}

/// As [`read_whole`], for text.
///
/// # Errors
/// As [`read_whole`], and [`io::ErrorKind::InvalidData`] where the bytes are no UTF-8.
pub fn read_text(path: &Path, most_bytes: u64) -> io::Result<String> {
    String::from_utf8(read_whole(path, most_bytes)?).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("no UTF-8 text: {error}"),
        )
    })
}

fn read_up_to(file: File, most_bytes: u64) -> io::Result<Vec<u8>> {
    let too_large = |found: String| {
        let expected = format!("{found}, expected at most {most_bytes}");
        io::Error::new(io::ErrorKind::FileTooLarge, expected)
    };
    let stated = file.metadata()?.len();
    if stated > most_bytes {
        return Err(too_large(format!("{stated} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(most_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    // A pipe or a device has no size of its own, and a file may grow.
    if bytes.len() as u64 > most_bytes {
        return Err(too_large(format!("more than {most_bytes} bytes")));
    }
    Ok(bytes)
}

/// A file being written under a temporary name beside its own, which it gets when it is whole:
/// whoever finds it under its name finds all of it. Dropped before, it is gone, and what had the name
/// is untouched.
///
/// What is no regular file (`/dev/null`, a named pipe) is written in place.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Beside(NamedTempFile),
    InPlace(File),
}

impl WholeFile {
    /// Starts the file that will be at `path`; a link is followed.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path) -> io::Result<Self> {
        // The rights of the file that is there, or of any new file; the user's mask takes from them
        // what it takes.
        let mut mode = 0o666;
        let (path, in_place) = match std::fs::canonicalize(path) {
            // A shell's redirection (`/dev/stdout`) is a file that others have open, too.
            Ok(real) => {
                let there = std::fs::metadata(&real)?;
                mode = there.permissions().mode() & 0o777;
                (real, !there.is_file() || path.starts_with("/dev"))
            }
            Err(_) => (path.to_owned(), false),
        };
        if in_place {
            let target = Target::InPlace(File::create(&path)?);
            return Ok(Self { path, target });
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // The plain reason where there is no such folder; the library's own names its temporary file.
        std::fs::metadata(folder)?;
        let name = path.file_name().unwrap_or_default();
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let target = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        Ok(Self {
            path,
            target: Target::Beside(target),
        })
    }

    /// Another handle on the same file, at the same place in it, for a writer that wants to own one.
    ///
    /// # Errors
    /// The system's.
    pub fn handle(&self) -> io::Result<File> {
        self.file().try_clone()
    }

    /// Gives the file its name, in place of what had it.
    ///
    /// # Errors
    /// The system's; the temporary file is gone then.
    pub fn finish(self) -> io::Result<()> {
        match self.target {
            Target::InPlace(_) => Ok(()),
            Target::Beside(file) => {
                // After a power cut the name must not stand for an empty file.
                file.as_file().sync_data()?;
                file.persist(&self.path)
                    .map(drop)
                    .map_err(|error| error.error)
            }
        }
    }

    fn file(&self) -> &File {
        match &self.target {
            Target::Beside(file) => file.as_file(),
            Target::InPlace(file) => file,
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

/// Writes a whole file, see [`WholeFile`].
///
/// # Errors
/// The system's.
pub fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes.as_ref())?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "abc").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(made.unwrap().success());
        for name in ["file", "link"] {
            assert_eq!(read_regular(&at(name), 3).unwrap(), b"abc", "{name}");
        }
        for (path, words) in [
            (folder.path().to_owned(), "a directory, expected"),
            (at("pipe"), "a named pipe, expected"),
            (at("socket"), "a socket, expected"),
            (PathBuf::from("/dev/zero"), "a device, expected"),
            (at("gone"), "No such file"),
        ] {
            let error = read_regular(&path, 3).unwrap_err().to_string();
            assert!(error.starts_with(words), "{path:?}: {error}");
        }
        let error = read_regular(&at("file"), 2).unwrap_err().to_string();
        assert_eq!(error, "3 bytes, expected at most 2");
    }

    #[test]
    fn what_never_ends_is_refused_and_what_is_no_text_named() {
        let error = read_whole(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let text = "more than 1048576 bytes, expected at most 1048576";
        assert_eq!(error.to_string(), text);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [b'a', 0xff]).unwrap();
        let error = read_text(&path, 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a"), "old").unwrap();
        let mut file = WholeFile::create(&at("a")).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(at("a")).unwrap(), b"old");
        drop(file);
        assert_eq!(names(folder.path()), ["a"]);
        write_whole(&at("a"), "new").unwrap();
        assert_eq!(std::fs::read(at("a")).unwrap(), b"new");
        // Through a link, with the rights of any new file, and beside nothing else.
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        write_whole(&at("link"), "newer").unwrap();
        assert_eq!(std::fs::read(at("a")).unwrap(), b"newer");
        std::fs::write(at("usual"), "").unwrap();
        let mode = |name| std::fs::metadata(at(name)).unwrap().permissions().mode();
        assert_eq!(mode("a"), mode("usual"));
        assert_eq!(names(folder.path()), ["a", "link", "usual"]);
        write_whole(Path::new("/dev/null"), "gone").unwrap();
        let error = WholeFile::create(&at("no/folder")).unwrap_err().to_string();
        assert!(error.starts_with("No such file"), "{error}");
    }
}
