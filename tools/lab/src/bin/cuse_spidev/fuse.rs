//! As much of the kernel's CUSE protocol (`include/uapi/linux/fuse.h`) as a device with ioctls needs:
//! requests are read from `/dev/cuse`, answers written to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

/// The version spoken: 7.31 has everything used here, and newer kernels speak it too.
const VERSION: [u32; 2] = [7, 31];
const CUSE_INIT: u32 = 4096;
const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INTERRUPT: u32 = 36;
const IOCTL: u32 = 39;
/// Ioctls may name memory beyond their argument.
const UNRESTRICTED_IOCTL: u32 = 1;
/// The ioctl is to come again with this memory.
const IOCTL_RETRY: u32 = 4;
const IN_HEADER: usize = 40;
const IOCTL_HEADER: usize = 32;
/// Largest request: what the kernel asks for at least, and room for a large transfer.
const REQUEST_BYTES: usize = 1 << 17;
const ENOSYS: i32 = 38;

/// A piece of the caller's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) address: u64,
    pub(crate) length: usize,
}

/// An ioctl as it arrives.
#[derive(Debug)]
pub(crate) struct Ioctl<'a> {
    pub(crate) command: u32,
    pub(crate) argument: u64,
    /// What was read from the memory asked for.
    pub(crate) input: &'a [u8],
    /// Bytes that may be written.
    pub(crate) output_size: usize,
}

/// What is said to it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Come again with this memory read, and that to be written.
    Retry {
        read: Vec<Memory>,
        write: Vec<Memory>,
    },
    /// Done: the ioctl's result, and what is written.
    Done { result: i32, output: Vec<u8> },
    /// This error number.
    Refused(i32),
}

/// The kernel's end of the device.
#[derive(Debug)]
pub(crate) struct Device(File);

impl Device {
    /// Makes `/dev/NAME`; it is there when this returns.
    pub(crate) fn create(name: &str) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/cuse")?;
        let mut request = vec![0; REQUEST_BYTES];
        let length = file.read(&mut request)?;
        let request = Request::parse(&request[..length])?;
        if request.opcode != CUSE_INIT {
            return Err(malformed("the first request is not CUSE_INIT"));
        }
        let largest = u32::try_from(REQUEST_BYTES / 2).unwrap_or(u32::MAX);
        let mut body = Vec::new();
        for word in [
            VERSION[0],
            VERSION[1],
            0,
            UNRESTRICTED_IOCTL,
            largest,
            largest,
        ] {
            body.extend(word.to_ne_bytes());
        }
        // Device number by the kernel, and ten spare words.
        body.resize(body.len() + 12 * 4, 0);
        body.extend(format!("DEVNAME={name}\0").bytes());
        reply(&mut file, request.unique, 0, &body)?;
        Ok(Self(file))
    }

    /// Answers requests until the device goes.
    pub(crate) fn serve(mut self, mut answer: impl FnMut(&Ioctl<'_>) -> Answer) -> io::Result<()> {
        let mut bytes = vec![0; REQUEST_BYTES];
        loop {
            let length = match self.0.read(&mut bytes) {
                // An interrupted request: the next one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let request = Request::parse(&bytes[..length])?;
            let file = &mut self.0;
            match request.opcode {
                OPEN => reply(file, request.unique, 0, &[0; 16])?,
                RELEASE | FLUSH => reply(file, request.unique, 0, &[])?,
                // Every answer here comes at once: there is nothing to break off.
                INTERRUPT => {}
                IOCTL => match answer(&request.ioctl()?) {
                    Answer::Refused(error) => reply(file, request.unique, error, &[])?,
                    Answer::Done { result, output } => {
                        let mut body = ioctl_header(result, 0, 0, 0);
                        body.extend(output);
                        reply(file, request.unique, 0, &body)?;
                    }
                    Answer::Retry { read, write } => {
                        let mut body = ioctl_header(0, IOCTL_RETRY, read.len(), write.len());
                        for memory in read.iter().chain(&write) {
                            body.extend(memory.address.to_ne_bytes());
                            body.extend((memory.length as u64).to_ne_bytes());
                        }
                        reply(file, request.unique, 0, &body)?;
                    }
                },
                _ => reply(file, request.unique, ENOSYS, &[])?,
            }
        }
    }
}

struct Request<'a> {
    opcode: u32,
    unique: u64,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn parse(bytes: &'a [u8]) -> io::Result<Self> {
        Ok(Self {
            opcode: word(bytes, 4)?,
            unique: long(bytes, 8)?,
            body: bytes
                .get(IN_HEADER..)
                .ok_or_else(|| malformed("a request without a header"))?,
        })
    }

    fn ioctl(&self) -> io::Result<Ioctl<'a>> {
        let input_size = word(self.body, 24)? as usize;
        let input = self.body.get(IOCTL_HEADER..IOCTL_HEADER + input_size);
        Ok(Ioctl {
            command: word(self.body, 12)?,
            argument: long(self.body, 16)?,
            input: input.ok_or_else(|| malformed("an ioctl shorter than it says"))?,
            output_size: word(self.body, 28)? as usize,
        })
    }
}

fn ioctl_header(result: i32, flags: u32, read: usize, write: usize) -> Vec<u8> {
    let mut header = result.to_ne_bytes().to_vec();
    header.extend(flags.to_ne_bytes());
    for count in [read, write] {
        header.extend(u32::try_from(count).unwrap_or(u32::MAX).to_ne_bytes());
    }
    header
}

fn reply(file: &mut File, unique: u64, error: i32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend((-error).to_ne_bytes());
    bytes.extend(unique.to_ne_bytes());
    bytes.extend(body);
    match file.write(&bytes) {
        // Whoever asked has gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The word at this place.
pub(crate) fn word(bytes: &[u8], at: usize) -> io::Result<u32> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map(u32::from_ne_bytes)
        .ok_or_else(|| malformed("a request that ends too soon"))
}

/// The long word at this place.
pub(crate) fn long(bytes: &[u8], at: usize) -> io::Result<u64> {
    let eight = bytes
        .get(at..at + 8)
        .and_then(|eight| eight.try_into().ok());
    eight
        .map(u64::from_ne_bytes)
        .ok_or_else(|| malformed("a request that ends too soon"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/dev/cuse: {what}"))
}
