//! The simulated chip seen from the bus, without the driver.

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::{Operation, SpiDevice};

use super::*;
use crate::registers::{DataRate, Register, RegisterImage};
use crate::{FRAME_BYTES, Frame};

/// The time a command byte gets here.
const SPACE_NS: u32 = 8_000;

struct Bench {
    board: SimulatedBoard,
    spi: SimulatedSpi,
    delay: SimulatedDelay,
    drdy: SimulatedDrdy,
}

impl Bench {
    /// A board past its power-up time.
    fn new(options: &BoardOptions) -> Self {
        Self::with_source(options, |time: SampleTime| {
            // The number of the conversion in codes of gain 6 at 2.42 V, so it can be told again.
            let uv = time.index as f64 * 2.42e6 / 6.0 / 8_388_607.0;
            Some([uv, -uv])
        })
    }

    fn with_source(options: &BoardOptions, source: impl SampleSource + Send + 'static) -> Self {
        let board = SimulatedBoard::new(options, source);
        let mut delay = board.delay();
        delay.delay_ms(33);
        Self {
            spi: board.spi(),
            drdy: board.drdy(),
            delay,
            board,
        }
    }

    /// Sends bytes, each with its decode time, in one transaction; what comes back.
    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = bytes.to_vec();
        let mut operations: Vec<Operation<'_, u8>> = Vec::new();
        for byte in &mut buffer {
            operations.push(Operation::TransferInPlace(core::slice::from_mut(byte)));
            operations.push(Operation::DelayNs(SPACE_NS));
        }
        self.spi.transaction(&mut operations).unwrap();
        buffer
    }

    fn read_register(&mut self, register: Register) -> u8 {
        self.send(&[0x20 | register.address(), 0x00, 0x00])[2]
    }

    fn write_register(&mut self, register: Register, value: u8) {
        self.send(&[0x40 | register.address(), 0x00, value]);
    }

    /// Out of RDATAC with the internal reference on.
    fn prepare(&mut self) {
        self.send(&[0x11]);
        self.write_register(Register::Config2, 0xA0);
    }

    fn frame(&mut self) -> Frame {
        let mut bytes = [0; FRAME_BYTES];
        self.spi.transfer_in_place(&mut bytes).unwrap();
        Frame::parse(&bytes).unwrap()
    }
}

const RESET: RegisterImage = [
    0x53, 0x02, 0x80, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x0C,
];

#[test]
fn nothing_is_heard_before_power_up_is_over() {
    let board = SimulatedBoard::new(&BoardOptions::default(), |_: SampleTime| Some([0.0; 2]));
    let mut spi = board.spi();
    spi.write(&[0x11]).unwrap();
    board.delay().delay_ms(40);
    let mut bytes = [0x20, 0x00, 0x00];
    spi.transfer_in_place(&mut bytes).unwrap();
    // Still in RDATAC, with no conversion yet: all zeros.
    assert_eq!(bytes, [0; 3]);
}

#[test]
fn registers_are_read_only_outside_rdatac() {
    let mut bench = Bench::new(&BoardOptions::default());
    bench.write_register(Register::Config1, 0x05);
    assert_eq!(bench.read_register(Register::Id), 0x00, "RREG in RDATAC");
    bench.send(&[0x11]);
    assert_eq!(
        bench.read_register(Register::Config1),
        0x02,
        "WREG in RDATAC"
    );
    let image: Vec<u8> = bench.send(&[&[0x20, 0x0B][..], &[0; 12]].concat())[2..].to_vec();
    assert_eq!(image, RESET);
    bench.send(&[0x10]);
    assert_eq!(
        bench.read_register(Register::Id),
        0x00,
        "RREG in RDATAC again"
    );
}

#[test]
fn fixed_and_read_only_bits_cannot_be_written() {
    let mut bench = Bench::new(&BoardOptions::default());
    bench.send(&[0x11]);
    let table = [
        (Register::Id, [0x53, 0x53]),
        (Register::Config1, [0x00, 0x87]),
        (Register::Config2, [0x80, 0xFB]),
        (Register::Loff, [0x10, 0xFD]),
        (Register::Ch1Set, [0x00, 0xFF]),
        (Register::Ch2Set, [0x00, 0xFF]),
        (Register::RldSens, [0x00, 0xFF]),
        (Register::LoffSens, [0x00, 0x3F]),
        (Register::LoffStat, [0x00, 0x40]),
        (Register::Resp1, [0x02, 0xFF]),
        (Register::Resp2, [0x01, 0x87]),
        // Outputs read what is written, inputs their level, low here.
        (Register::Gpio, [0x00, 0x0C]),
    ];
    let mut wrong = Vec::new();
    for (register, expected) in table {
        for (written, expected) in [0x00, 0xFF].into_iter().zip(expected) {
            bench.write_register(register, written);
            let read = bench.read_register(register);
            if read != expected {
                wrong.push((register, written, read));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:x?}");
}

#[test]
fn several_registers_are_written_at_once() {
    let mut bench = Bench::new(&BoardOptions::default());
    bench.send(&[0x11]);
    bench.send(&[0x41, 0x02, 0x03, 0xA0, 0x14]);
    assert_eq!(bench.board.registers()[1..4], [0x03, 0xA0, 0x14]);
}

#[test]
fn command_bytes_without_decode_time_are_lost() {
    for (sclk_hz, heard) in [(1_000_000, true), (4_000_000, false)] {
        let mut bench = Bench::new(&BoardOptions::new().sclk_hz(sclk_hz));
        bench.send(&[0x11]);
        bench.spi.write(&[0x41, 0x00, 0x05]).unwrap();
        assert_eq!(bench.board.registers()[1] == 0x05, heard, "{sclk_hz} Hz");
        assert_eq!(bench.board.decode_violations() == 0, heard, "{sclk_hz} Hz");
    }
}

#[test]
fn drdy_falls_at_the_rate_after_settling() {
    let mut wrong = Vec::new();
    for rate in DataRate::ALL {
        let mut bench = Bench::new(&BoardOptions::default());
        bench.prepare();
        bench.write_register(Register::Config1, rate as u8);
        assert!(bench.drdy.wait_falling(100_000_000).is_err(), "not started");
        let mut start = bench.board.start_pin();
        start.set_high().unwrap();
        let started_ns = bench.board.now_ns();
        let edges: Vec<_> = (0..100)
            .map(|_| bench.drdy.wait_falling(50_000_000).unwrap())
            .collect();
        let even = edges.windows(2).all(|pair| {
            pair[1].time_ns - pair[0].time_ns == rate.period_ns()
                && pair[1].sequence == pair[0].sequence + 1
        });
        if !even || edges[0].time_ns - started_ns != rate.settling_ns() {
            wrong.push((rate, edges[0], edges[1]));
        }
        start.set_low().unwrap();
        assert_eq!(
            bench.drdy.wait_falling(50_000_000),
            Err(DrdyWaitError::TimedOut {
                timeout_ns: 50_000_000
            })
        );
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_late_reader_finds_only_the_newest_conversion() {
    let mut bench = Bench::new(&BoardOptions::default());
    bench.prepare();
    bench.send(&[0x08]);
    bench.send(&[0x10]);
    let first = bench.drdy.wait_falling(20_000_000).unwrap();
    bench.delay.delay_ms(7); // three more conversions at 500 SPS
    let late = bench.drdy.wait_falling(20_000_000).unwrap();
    assert_eq!(late.sequence, first.sequence + 3);
    // The source puts the conversion's number into the code.
    assert_eq!(bench.frame().codes, [3, -3]);
    assert_eq!(bench.frame().codes, [3, -3], "read again");
}

#[test]
fn conversions_are_read_by_command_and_continuously() {
    let mut bench = Bench::new(&BoardOptions::default());
    bench.prepare();
    bench.send(&[0x08]);
    bench.drdy.wait_falling(20_000_000).unwrap();
    bench.drdy.wait_falling(20_000_000).unwrap();
    let mut bytes = [0; FRAME_BYTES];
    bench.spi.transfer_in_place(&mut bytes).unwrap();
    assert_eq!(bytes, [0; FRAME_BYTES], "no frame without RDATA");
    let answer = bench.send(&[0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.copy_from_slice(&answer[1..]);
    assert_eq!(Frame::parse(&bytes).unwrap().codes, [1, -1]);
    bench.send(&[0x10]);
    bench.drdy.wait_falling(20_000_000).unwrap();
    assert_eq!(bench.frame().codes, [2, -2]);
}

#[test]
fn standby_hears_only_wakeup() {
    let mut bench = Bench::new(&BoardOptions::default());
    bench.prepare();
    bench.send(&[0x08]);
    bench.drdy.wait_falling(20_000_000).unwrap();
    bench.send(&[0x04]);
    bench.send(&[0x0A]);
    assert!(bench.drdy.wait_falling(100_000_000).is_err());
    bench.send(&[0x02]);
    let woken_ns = bench.board.now_ns();
    let edge = bench.drdy.wait_falling(20_000_000).unwrap();
    // STOP was not heard: conversions go on by themselves, after settling (and the byte's space).
    let settling_ns = edge.time_ns + u64::from(SPACE_NS) - woken_ns;
    assert_eq!(settling_ns, DataRate::Sps500.settling_ns());
}

#[test]
fn single_shot_converts_once_per_start() {
    let mut bench = Bench::new(&BoardOptions::default());
    bench.prepare();
    bench.write_register(Register::Config1, 0x82);
    for expected in 1..=3 {
        bench.send(&[0x08]);
        let edge = bench.drdy.wait_falling(20_000_000).unwrap();
        assert_eq!(edge.sequence, expected);
        assert!(bench.drdy.wait_falling(100_000_000).is_err());
    }
}

#[test]
fn resets_by_opcode_and_pin_restore_the_registers() {
    for by_pin in [false, true] {
        let mut bench = Bench::new(&BoardOptions::default());
        bench.prepare();
        bench.write_register(Register::Ch1Set, 0x61);
        bench.send(&[0x08]);
        assert_ne!(bench.board.registers(), RESET);
        if by_pin {
            let mut reset = bench.board.reset_pin();
            reset.set_low().unwrap();
            bench.delay.delay_us(10);
            reset.set_high().unwrap();
        } else {
            bench.send(&[0x06]);
        }
        assert_eq!(bench.board.registers(), RESET, "by pin: {by_pin}");
        // Deaf for a while, then in RDATAC.
        bench.send(&[0x11]);
        bench.delay.delay_us(100);
        bench.write_register(Register::Config1, 0x05);
        assert_eq!(bench.board.registers(), RESET, "by pin: {by_pin}");
        bench.send(&[0x11]);
        assert_eq!(bench.read_register(Register::Id), 0x53);
        assert!(bench.drdy.wait_falling(100_000_000).is_err(), "stopped");
    }
}

#[test]
fn the_source_ends_and_stays_ended() {
    let mut bench = Bench::with_source(
        &BoardOptions::default(),
        Samples(vec![[1.0, 2.0]; 3].into_iter()),
    );
    bench.prepare();
    bench.send(&[0x08]);
    for _ in 0..3 {
        bench.drdy.wait_falling(20_000_000).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(
            bench.drdy.wait_falling(20_000_000),
            Err(DrdyWaitError::SourceEnded)
        );
    }
    assert!(bench.board.source_ended());
    assert_eq!(bench.board.conversions(), 3);
}

#[test]
fn without_a_reference_everything_saturates() {
    let mut bench = Bench::with_source(&BoardOptions::default(), |_: SampleTime| Some([1.0, -1.0]));
    bench.send(&[0x11]);
    bench.send(&[0x08]);
    bench.send(&[0x10]);
    bench.drdy.wait_falling(20_000_000).unwrap();
    assert_eq!(bench.frame().codes, [8_388_607, -8_388_608]);
}

#[test]
fn gpio_levels_are_in_every_frame() {
    let mut bench = Bench::new(&BoardOptions::new().gpio_levels([true, false]));
    bench.prepare();
    bench.write_register(Register::Gpio, 0x06); // 1 input, 2 output high
    bench.send(&[0x08]);
    bench.send(&[0x10]);
    bench.drdy.wait_falling(20_000_000).unwrap();
    assert_eq!(bench.frame().status.gpio, [true, true]);
}
