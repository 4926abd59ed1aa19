//! The serial port: bytes in, bytes out.

use super::chip::Chip;
use crate::ads1292::frame::FRAME_BYTES;
use crate::ads1292::opcode::{FIVE_BITS, Opcode};
use crate::ads1292::timing::NOMINAL_T_SDECODE_NS;

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
    /// Registers go out.
    Reading { address: u8, left: u8 },
    /// Registers come in.
    Writing { address: u8, left: u8 },
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
}

impl Chip {
    /// CS falls.
    pub(super) fn select(&mut self) {
        self.serial.phase = if self.reads_continuously() {
            Phase::Frame {
                bytes: self.output(),
                next: 0,
            }
        } else {
            Phase::Idle
        };
    }

    /// CS rises.
    pub(super) fn deselect(&mut self) {
        self.serial.phase = Phase::Idle;
    }

    /// One byte each way; `byte_ns` is how long it takes.
    pub(super) fn exchange(&mut self, byte_in: u8, byte_ns: u64) -> u8 {
        self.advance(byte_ns);
        if !self.listens() {
            return 0;
        }
        match self.serial.phase {
            Phase::Idle => {
                self.first_byte(byte_in);
                0
            }
            Phase::Frame { bytes, next } => {
                self.serial.phase = Phase::Frame {
                    bytes,
                    next: (next + 1) % FRAME_BYTES,
                };
                if byte_in != 0 {
                    self.first_byte(byte_in);
                }
                bytes.get(next).copied().unwrap_or_default()
            }
            Phase::Count { first, write } => {
                if self.serial.decodes_at(self.now_ns()) {
                    let left = (byte_in & FIVE_BITS) + 1;
                    self.serial.phase = if write {
                        Phase::Writing {
                            address: first,
                            left,
                        }
                    } else {
                        Phase::Reading {
                            address: first,
                            left,
                        }
                    };
                }
                0
            }
            Phase::Reading { address, left } => {
                let byte = self.read_register(address);
                self.serial.phase = next_register(address, left, |address, left| Phase::Reading {
                    address,
                    left,
                });
                byte
            }
            Phase::Writing { address, left } => {
                if self.serial.decodes_at(self.now_ns()) {
                    self.write_register(address, byte_in);
                    self.serial.phase = next_register(address, left, |address, left| {
                        Phase::Writing { address, left }
                    });
                }
                0
            }
        }
    }

    /// The first byte of a command, or the zeros between.
    fn first_byte(&mut self, byte: u8) {
        let Some(opcode) = Opcode::from_byte(byte) else {
            return;
        };
        if !self.serial.decodes_at(self.now_ns()) {
            return;
        }
        // In RDATAC, data and register commands are ignored until SDATAC.
        let data_command = matches!(
            opcode,
            Opcode::ReadData
                | Opcode::ReadRegisters(_)
                | Opcode::WriteRegisters(_)
                | Opcode::OffsetCalibration
        );
        if self.reads_continuously() && data_command {
            return;
        }
        match opcode {
            Opcode::ReadRegisters(first) => {
                self.serial.phase = Phase::Count {
                    first,
                    write: false,
                };
            }
            Opcode::WriteRegisters(first) => {
                self.serial.phase = Phase::Count { first, write: true };
            }
            Opcode::ReadData => {
                self.serial.phase = Phase::Frame {
                    bytes: self.output(),
                    next: 0,
                };
            }
            _ => self.command(opcode),
        }
    }
}

fn next_register(address: u8, left: u8, phase: impl Fn(u8, u8) -> Phase) -> Phase {
    if left > 1 {
        phase(address.saturating_add(1), left - 1)
    } else {
        Phase::Idle
    }
}
