//! The bytes of a trace as they come from a file, unpacked.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// First bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
/// Bytes asked for at a time.
const READ_BYTES: usize = 64 * 1024;

/// A window over a byte stream that grows at its end and is cut at its front.
pub(super) struct ByteSource {
    reader: Box<dyn Read + Send>,
    compressed: bool,
    ended: bool,
    cut_in_gzip: bool,
    window: Vec<u8>,
    offset: u64,
}

/// Why no bytes came.
pub(super) enum SourceError {
    /// The gzip wrapping is damaged.
    Gzip,
    /// The system refused.
    Io(io::Error),
}

impl ByteSource {
    /// Recognises gzip by its first bytes.
    pub(super) fn new(mut reader: impl Read + Send + 'static) -> io::Result<Self> {
        let mut first = Vec::new();
        reader.by_ref().take(2).read_to_end(&mut first)?;
        let compressed = first == GZIP_MAGIC;
        let reader = Cursor::new(first).chain(reader);
        Ok(Self {
            reader: if compressed {
                // Several members one after the other are one stream (RFC 1952, 2.2).
                Box::new(MultiGzDecoder::new(reader))
            } else {
                Box::new(reader)
            },
            compressed,
            ended: false,
            cut_in_gzip: false,
            window: Vec::with_capacity(2 * READ_BYTES),
            offset: 0,
        })
    }

    /// The bytes from `position` of the window on.
    pub(super) fn from(&self, position: usize) -> &[u8] {
        self.window.get(position..).unwrap_or_default()
    }

    /// The bytes between two positions of the window.
    pub(super) fn between(&self, start: usize, end: usize) -> &[u8] {
        self.window.get(start..end).unwrap_or_default()
    }

    /// Bytes in the window.
    pub(super) fn len(&self) -> usize {
        self.window.len()
    }

    /// Offset in the trace of a position of the window.
    pub(super) fn offset_of(&self, position: usize) -> u64 {
        self.offset + position as u64
    }

    /// Lets go of the bytes before `position`, if there are enough to be worth moving the rest.
    /// Returns where `position` is now.
    pub(super) fn release(&mut self, position: usize) -> usize {
        if position < READ_BYTES {
            return position;
        }
        let released = position.min(self.window.len());
        self.window.drain(..released);
        self.offset += released as u64;
        position - released
    }

    /// Whether the bytes ended inside a gzip member, its last eight bytes included.
    pub(super) fn is_cut_in_gzip(&self) -> bool {
        self.cut_in_gzip
    }

    /// Appends bytes to the window; `false` where there are no more.
    pub(super) fn read_more(&mut self) -> Result<bool, SourceError> {
        if self.ended {
            return Ok(false);
        }
        let length = self.window.len();
        self.window.resize(length + READ_BYTES, 0);
        let result = loop {
            let space = self.window.get_mut(length..).unwrap_or_default();
            match self.reader.read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let count = *result.as_ref().unwrap_or(&0);
        self.window.truncate(length + count);
        self.ended = count == 0;
        match result {
            Ok(count) => Ok(count > 0),
            // A gzip stream without its end: the cut is the trace reader's to report.
            Err(error) if self.compressed && error.kind() == io::ErrorKind::UnexpectedEof => {
                self.cut_in_gzip = true;
                Ok(false)
            }
            Err(error) if self.compressed && error.kind() == io::ErrorKind::InvalidInput => {
                Err(SourceError::Gzip)
            }
            Err(error) => Err(SourceError::Io(error)),
        }
    }
}
