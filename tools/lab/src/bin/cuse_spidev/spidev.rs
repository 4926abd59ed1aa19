//! The ioctls of spidev (`include/uapi/linux/spi/spidev.h`), their transfers made with the chip.

use std::sync::{Arc, Mutex, PoisonError};

use embedded_hal::spi::Operation;

use crate::board::Bench;
use crate::fuse::{Answer, Ioctl, Memory, long, word};

const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;
/// `_IOC_TYPE` of every ioctl of spidev.
const MAGIC: u32 = b'k' as u32;
const WRITES: u32 = 1;
const NR_MESSAGE: u32 = 0;
/// `struct spi_ioc_transfer`.
const TRANSFER_BYTES: usize = 32;
/// CPHA, the one mode the chip speaks.
const MODE_1: u32 = 1;

/// An open port. Settings are those of the device, as with a real one.
#[derive(Debug)]
pub(crate) struct Port {
    bench: Arc<Mutex<Bench>>,
    /// Mode, bit order, bits a word, clock, by the number of their ioctl less one.
    settings: [u32; 4],
}

#[derive(Debug, Clone, Copy)]
struct Transfer {
    sends: Option<Memory>,
    receives: Option<Memory>,
    length: usize,
    delay_us: u16,
}

impl Port {
    pub(crate) fn new(bench: Arc<Mutex<Bench>>) -> Self {
        Self {
            bench,
            settings: [0, 0, 8, 500_000],
        }
    }

    pub(crate) fn answer(&mut self, ioctl: &Ioctl<'_>) -> Answer {
        let (number, kind) = (ioctl.command & 0xFF, ioctl.command >> 8 & 0xFF);
        let (size, direction) = ((ioctl.command >> 16 & 0x3FFF) as usize, ioctl.command >> 30);
        if kind != MAGIC {
            return Answer::Refused(ENOTTY);
        }
        let argument = Memory {
            address: ioctl.argument,
            length: size,
        };
        // The 32-bit form of the mode has a number of its own.
        let setting = match number {
            NR_MESSAGE if direction == WRITES => return self.message(ioctl, argument),
            1..=4 => number - 1,
            5 => 0,
            _ => return Answer::Refused(ENOTTY),
        };
        let setting = &mut self.settings[setting as usize];
        if direction == WRITES {
            if ioctl.input.is_empty() {
                return Answer::Retry {
                    read: vec![argument],
                    write: Vec::new(),
                };
            }
            let mut bytes = [0; 4];
            for (place, byte) in bytes.iter_mut().zip(ioctl.input) {
                *place = *byte;
            }
            *setting = u32::from_le_bytes(bytes);
            done(0, Vec::new())
        } else if ioctl.output_size == 0 {
            Answer::Retry {
                read: Vec::new(),
                write: vec![argument],
            }
        } else {
            done(0, setting.to_le_bytes()[..size.min(4)].to_vec())
        }
    }

    /// `SPI_IOC_MESSAGE`: asks for the transfers, then for what they send, then does them.
    fn message(&self, ioctl: &Ioctl<'_>, argument: Memory) -> Answer {
        if !argument.length.is_multiple_of(TRANSFER_BYTES) {
            return Answer::Refused(EINVAL);
        }
        let mut read = vec![argument];
        let Some(array) = ioctl.input.get(..argument.length) else {
            let write = Vec::new();
            return Answer::Retry { read, write };
        };
        let transfers: Option<Vec<Transfer>> =
            array.chunks_exact(TRANSFER_BYTES).map(transfer).collect();
        let Some(transfers) = transfers else {
            return Answer::Refused(EINVAL);
        };
        read.extend(transfers.iter().filter_map(|transfer| transfer.sends));
        let write: Vec<_> = transfers.iter().filter_map(|it| it.receives).collect();
        let bytes = |memory: &[Memory]| memory.iter().map(|it| it.length).sum::<usize>();
        if ioctl.input.len() != bytes(&read) || ioctl.output_size != bytes(&write) {
            return Answer::Retry { read, write };
        }
        let sent = ioctl.input.get(argument.length..).unwrap_or_default();
        let received = self.exchange(&transfers, sent);
        let length: usize = transfers.iter().map(|transfer| transfer.length).sum();
        done(i32::try_from(length).unwrap_or(i32::MAX), received)
    }

    /// One selection of the chip; what is received by those transfers that want it.
    fn exchange(&self, transfers: &[Transfer], mut sent: &[u8]) -> Vec<u8> {
        let mut buffers: Vec<Vec<u8>> = Vec::new();
        for transfer in transfers {
            // Where nothing is sent, zeros are.
            let mut buffer = vec![0; transfer.length];
            if transfer.sends.is_some() {
                let (mine, rest) = sent.split_at(transfer.length.min(sent.len()));
                buffer[..mine.len()].copy_from_slice(mine);
                sent = rest;
            }
            buffers.push(buffer);
        }
        let mut operations = Vec::new();
        for (transfer, buffer) in transfers.iter().zip(&mut buffers) {
            operations.push(Operation::TransferInPlace(buffer));
            if transfer.delay_us > 0 {
                operations.push(Operation::DelayNs(1_000 * u32::from(transfer.delay_us)));
            }
        }
        let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        if self.settings[0] == MODE_1 && self.settings[2] == 8 {
            bench.transaction(&mut operations);
        } else {
            // In another mode the chip makes nothing of what it sees.
            buffers.iter_mut().for_each(|buffer| buffer.fill(0));
        }
        let wanted = transfers.iter().zip(buffers);
        wanted
            .filter(|(transfer, _)| transfer.receives.is_some())
            .flat_map(|(_, buffer)| buffer)
            .collect()
    }
}

fn done(result: i32, output: Vec<u8>) -> Answer {
    Answer::Done { result, output }
}

fn transfer(bytes: &[u8]) -> Option<Transfer> {
    let length = word(bytes, 16).ok()? as usize;
    let memory = |at| {
        let address = long(bytes, at).ok()?;
        (address != 0 && length > 0).then_some(Memory { address, length })
    };
    Some(Transfer {
        sends: memory(0),
        receives: memory(8),
        length,
        delay_us: u16::from_le_bytes([*bytes.get(24)?, *bytes.get(25)?]),
    })
}
