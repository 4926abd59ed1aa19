//! The serial port: bytes in, bytes out.

use crate::frame::FRAME_BYTES;
use crate::opcode::{FIVE_BITS, Opcode};
use crate::timing::NOMINAL_T_SDECODE_NS;

/// Where a transaction is.
#[derive(Debug, Clone, Copy, Default)]
enum Phase {
    #[default]
    Idle,
    /// A frame goes out, this byte of it next.
    Frame {
        bytes: [u8; FRAME_BYTES],
        next: usize,
    },
    /// RREG or WREG came, the number of registers follows.
    Count { first: u8, write: bool },
    /// Registers go out or come in.
    Registers { address: u8, left: u8, write: bool },
}

/// What the bytes received ask of the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// A one-byte command.
    Command(Opcode),
    /// The register's byte goes out.
    Read { address: u8 },
    /// The register takes a byte.
    Write { address: u8, value: u8 },
}

/// State of the serial port.
#[derive(Debug, Default)]
pub(super) struct Serial {
    phase: Phase,
    last_command_byte_ns: Option<u64>,
    violations: u64,
}

impl Serial {
    pub(super) const fn violations(&self) -> u64 {
        self.violations
    }

    pub(super) const fn reset(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Whether a command byte that ends now can be decoded; one that comes too soon is lost.
    fn decodes_at(&mut self, now_ns: u64) -> bool {
        let too_soon = self
            .last_command_byte_ns
            .is_some_and(|last| now_ns.saturating_sub(last) < NOMINAL_T_SDECODE_NS);
        if too_soon {
            self.violations += 1;
        } else {
            self.last_command_byte_ns = Some(now_ns);
        }
        !too_soon
    }

    /// CS falls; `frame` is what goes out without a command.
    pub(super) const fn select(&mut self, frame: Option<[u8; FRAME_BYTES]>) {
        self.phase = match frame {
            Some(bytes) => Phase::Frame { bytes, next: 0 },
            None => Phase::Idle,
        };
    }

    /// One byte each way at `now_ns`: the byte that goes out, and what is asked of the chip. `frame` is
    /// the newest conversion; `continuous` is RDATAC mode.
    pub(super) fn exchange(
        &mut self,
        byte_in: u8,
        now_ns: u64,
        frame: &[u8; FRAME_BYTES],
        continuous: bool,
    ) -> (u8, Option<Request>) {
        match self.phase {
            Phase::Idle => (0, self.first_byte(byte_in, now_ns, frame, continuous)),
            Phase::Frame { bytes, next } => {
                self.phase = Phase::Frame {
                    bytes,
                    next: (next + 1) % FRAME_BYTES,
                };
                let request = if byte_in == 0 {
                    None
                } else {
                    self.first_byte(byte_in, now_ns, frame, continuous)
                };
                (bytes.get(next).copied().unwrap_or_default(), request)
            }
            Phase::Count { first, write } => {
                if self.decodes_at(now_ns) {
                    self.phase = Phase::Registers {
                        address: first,
                        left: (byte_in & FIVE_BITS) + 1,
                        write,
                    };
                }
                (0, None)
            }
            Phase::Registers {
                address,
                left,
                write,
            } => {
                if write && !self.decodes_at(now_ns) {
                    return (0, None);
                }
                self.phase = match left {
                    0 | 1 => Phase::Idle,
                    _ => Phase::Registers {
                        address: address.saturating_add(1),
                        left: left - 1,
                        write,
                    },
                };
                let value = byte_in;
                let request = if write {
                    Request::Write { address, value }
                } else {
                    Request::Read { address }
                };
                (0, Some(request))
            }
        }
    }

    /// The first byte of a command, or the zeros between.
    fn first_byte(
        &mut self,
        byte: u8,
        now_ns: u64,
        frame: &[u8; FRAME_BYTES],
        continuous: bool,
    ) -> Option<Request> {
        let opcode = Opcode::from_byte(byte)?;
        if !self.decodes_at(now_ns) {
            return None;
        }
        // In RDATAC, data and register commands are ignored until SDATAC.
        match opcode {
            Opcode::ReadRegisters(_)
            | Opcode::WriteRegisters(_)
            | Opcode::ReadData
            | Opcode::OffsetCalibration
                if continuous => {}
            Opcode::ReadRegisters(first) => self.count(first, false),
            Opcode::WriteRegisters(first) => self.count(first, true),
            Opcode::ReadData => self.select(Some(*frame)),
            _ => return Some(Request::Command(opcode)),
        }
        None
    }

    const fn count(&mut self, first: u8, write: bool) {
        self.phase = Phase::Count { first, write };
    }
}
