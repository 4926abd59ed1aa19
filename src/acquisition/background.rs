//! A file written by a thread of its own.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use flate2::write::GzEncoder;
use rtrb::{Consumer, Producer, RingBuffer};

use super::error::AcquisitionError;
use super::trace::Compression;

/// Bytes that may wait for a slow medium: 40 s of a trace at 8000 SPS, ten minutes at 500.
const WAITING_BYTES: usize = 4 << 20;
/// Longest sleep of the writing thread.
const TURN: Duration = Duration::from_millis(100);

/// What goes in is written by another thread, so that whoever writes never waits for the medium. A
/// medium for which more than 4 MiB would have to wait is an error of the next write, never a wait.
#[derive(Debug)]
pub struct BackgroundSink {
    bytes: Producer<u8>,
    thread: Thread,
}

/// The file behind a [`BackgroundSink`].
#[derive(Debug)]
pub struct BackgroundFile {
    thread: JoinHandle<io::Result<()>>,
    path: PathBuf,
}

/// Creates `path`, which must not exist, with the thread that writes it.
///
/// # Errors
/// [`AcquisitionError::Io`].
pub fn background_file(
    path: PathBuf,
    compression: Compression,
) -> Result<(BackgroundSink, BackgroundFile), AcquisitionError> {
    let file = File::create_new(&path).map_err(AcquisitionError::io(&path))?;
    let (bytes, waiting) = RingBuffer::new(WAITING_BYTES);
    let write = move || match compression {
        Compression::None => drain(waiting, file).and_then(|mut file| file.flush()),
        Compression::Gzip => {
            let level = flate2::Compression::new(6);
            let encoder = drain(waiting, GzEncoder::new(file, level))?;
            encoder.finish()?.flush()
        }
    };
    let thread = std::thread::Builder::new()
        .name("trace-writer".to_owned())
        .spawn(write)
        .map_err(AcquisitionError::io(&path))?;
    let sink = BackgroundSink {
        bytes,
        thread: thread.thread().clone(),
    };
    Ok((sink, BackgroundFile { thread, path }))
}

impl BackgroundFile {
    /// Waits until everything is written. The sink must have been dropped.
    ///
    /// # Errors
    /// [`AcquisitionError::Io`]: the file ends where writing failed.
    pub fn finish(self) -> Result<(), AcquisitionError> {
        let gone = |_| Err(io::Error::other("the writing thread is gone"));
        let written = self.thread.join().unwrap_or_else(gone);
        written.map_err(AcquisitionError::io(&self.path))
    }
}

impl Write for BackgroundSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.is_abandoned() {
            // `BackgroundFile::finish` says why.
            return Err(io::Error::other("the file can no longer be written"));
        }
        if self.bytes.push_entire_slice(bytes).is_err() {
            return Err(io::Error::other(format!(
                "the medium is too slow: {WAITING_BYTES} bytes wait to be written"
            )));
        }
        self.thread.unpark();
        Ok(bytes.len())
    }

    /// What has been put in is on its way.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BackgroundSink {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

/// Writes what comes until nobody is left to put anything in.
fn drain<W: Write>(mut waiting: Consumer<u8>, mut to: W) -> io::Result<W> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let last_look = waiting.is_abandoned();
        let (taken, _) = waiting.pop_partial_slice(&mut buffer);
        if taken.is_empty() {
            if last_look {
                return Ok(to);
            }
            std::thread::park_timeout(TURN);
            continue;
        }
        to.write_all(taken)?;
        if waiting.is_empty() {
            to.flush()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn everything_put_in_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        for compression in [Compression::None, Compression::Gzip] {
            let path = folder.path().join(format!("{compression:?}"));
            let (mut sink, file) = background_file(path.clone(), compression).unwrap();
            for part in all.chunks(7_000) {
                sink.write_all(part).unwrap();
                sink.flush().unwrap();
            }
            drop(sink);
            file.finish().unwrap();
            let mut read = Vec::new();
            let mut written = File::open(&path).unwrap();
            match compression {
                Compression::None => written.read_to_end(&mut read).unwrap(),
                Compression::Gzip => flate2::read::GzDecoder::new(written)
                    .read_to_end(&mut read)
                    .unwrap(),
            };
            assert!(read == all, "{compression:?}: {} bytes", read.len());
        }
        // Nothing is overwritten.
        let error = background_file(folder.path().join("None"), Compression::None).unwrap_err();
        assert!(error.to_string().contains("exists"), "{error}");
    }

    #[test]
    fn a_medium_that_takes_nothing_is_an_error_and_no_wait() {
        let (bytes, mut waiting) = RingBuffer::new(1_000);
        let mut sink = BackgroundSink {
            bytes,
            thread: std::thread::current(),
        };
        sink.write_all(&[1; 900]).unwrap();
        let error = sink.write_all(&[2; 200]).unwrap_err();
        assert!(error.to_string().contains("too slow"), "{error}");
        // Nothing of what was refused went in.
        assert_eq!(waiting.slots(), 900);
        assert_eq!(waiting.pop(), Ok(1));
        drop(waiting);
        assert!(sink.write_all(&[3]).is_err());
    }

    #[test]
    fn a_full_disk_is_named() {
        // The device that is always full.
        let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
            return; // no such device in this sandbox
        };
        let (mut bytes, waiting) = RingBuffer::new(1_000);
        bytes.push_entire_slice(&[7; 10]).unwrap();
        drop(bytes);
        let error = drain(waiting, full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
