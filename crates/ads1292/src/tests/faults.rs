//! What goes wrong, and what the driver makes of it.

use core::convert::Infallible;

use embedded_hal::spi::SpiDevice;

use super::*;

#[test]
fn lead_off_comes_and_goes_and_drives_the_signal_to_the_rail() {
    let script = "at 1s lead-off in2n for 500ms\nat 2s lead-off in1p\nat 2.5s lead-on in1p";
    for (flip, rail) in [(false, CODE_MAX), (true, CODE_MIN)] {
        let config = ChipConfig {
            lead_off_sense: LeadOffSense {
                flip1: flip,
                flip2: flip,
                ..LeadOffSense::ALL_ELECTRODES
            },
            ..ChipConfig::default()
        };
        let (_, mut driver, mut drdy) = rig(&scripted(script), constant([100.0; 2]));
        driver.initialise(&config).unwrap();
        let mut wrong = Vec::new();
        for _ in 0..1_400 {
            let (time_ns, frame) = next(&mut driver, &mut drdy);
            let in2n = (1_000_000_000..1_500_000_000).contains(&time_ns);
            let in1p = (2_000_000_000..2_500_000_000).contains(&time_ns);
            let expected = LeadOff::from_bits(u8::from(in1p) | u8::from(in2n) << 3);
            let at_rail = frame.codes.map(|code| code == rail);
            if frame.status.lead_off != expected || at_rail != [in1p, in2n] {
                wrong.push((time_ns, frame));
            }
            assert_eq!(frame.status.lead_off.channels(), [in1p, in2n]);
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_missed_drdy_shows_as_a_skipped_number() {
    let script = "at 1s missed-drdy\nat 2s missed-drdy for 10ms";
    let (_, mut driver, mut drdy) = rig(&scripted(script), constant([0.0; 2]));
    driver.initialise(&ChipConfig::default()).unwrap();
    let mut steps = Vec::new();
    let mut last = drdy.wait_falling(TIMEOUT_NS).unwrap();
    while last.time_ns < 3_000_000_000 {
        let edge = drdy.wait_falling(TIMEOUT_NS).unwrap();
        let step = edge.sequence - last.sequence;
        assert_eq!(edge.time_ns - last.time_ns, step * 2_000_000);
        if step != 1 {
            steps.push((last.time_ns / 100_000_000, step));
        }
        last = edge;
    }
    assert_eq!(steps, [(9, 2), (19, 6)]);
}

#[test]
fn flipped_bits_spoil_one_frame_and_the_next_is_good() {
    // Bit 1 is in the sync nibble, bit 20 in the zeros, bit 24 the sign of channel 1.
    let script = "at 1s flip-bits 1\nat 2s flip-bits 20\nat 3s flip-bits 24";
    let (_, mut driver, mut drdy) = rig(&scripted(script), constant([100.0; 2]));
    driver.initialise(&ChipConfig::default()).unwrap();
    let mut spoilt = Vec::new();
    let mut negative = 0;
    for _ in 0..1_500 {
        drdy.wait_falling(TIMEOUT_NS).unwrap();
        match driver.read_frame() {
            Ok(frame) => negative += u32::from(frame.codes[0] < 0),
            Err(error) => spoilt.push(error),
        }
    }
    assert_eq!(
        spoilt,
        [
            Error::Frame(FrameError::NoSync { found: 0x80 }),
            Error::Frame(FrameError::NonZeroPadding { found: 0x0008 }),
        ]
    );
    assert_eq!(negative, 1);
    assert_eq!(driver.frame_sync().total_bad(), 2);
    assert_eq!(driver.frame_sync().total_good(), 1_498);
}

#[test]
fn many_bad_frames_ask_for_a_restart_and_it_helps() {
    let script = "at 1s flip-bits 0 for 100ms";
    let (_, driver, mut drdy) = rig(&scripted(script), constant([100.0; 2]));
    let mut driver = driver.with_frame_sync(FrameSync::new(5));
    driver.initialise(&ChipConfig::default()).unwrap();
    let lost = loop {
        drdy.wait_falling(TIMEOUT_NS).unwrap();
        match driver.read_frame() {
            Ok(_) | Err(Error::Frame(_)) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(
        lost,
        Error::SyncLost {
            consecutive_bad: 5,
            last: FrameError::NoSync { found: 0x40 }
        }
    );
    driver.initialise(&ChipConfig::default()).unwrap();
    assert!(!driver.frame_sync().restart_needed());
    drdy.discard();
    next(&mut driver, &mut drdy);
}

#[test]
fn a_brown_out_is_silent_until_looked_for_and_initialising_cures_it() {
    for (control, script) in [
        (StartControl::Opcode, "at 1s brown-out"),
        (StartControl::Opcode, "at 1s brown-out for 30ms"),
        (StartControl::Pin, "at 1s brown-out"),
    ] {
        let (board, driver, mut drdy) = rig(&scripted(script), constant([100.0; 2]));
        let mut driver = driver.with_start_control(control);
        driver.initialise(&ChipConfig::default()).unwrap();
        while board.now_ns() < 999_000_000 {
            next(&mut driver, &mut drdy);
        }
        // Conversions started by opcode are gone; by pin they go on, with reset registers.
        let after = drdy.wait_falling(200_000_000);
        assert_eq!(after.is_ok(), control == StartControl::Pin, "{control:?}");
        assert_eq!(
            driver.verify(),
            Err(Error::ReadBack {
                register: Register::Config2,
                written: 0xE0,
                read: 0x80
            })
        );
        driver.initialise(&ChipConfig::default()).unwrap();
        let uv = next(&mut driver, &mut drdy)
            .1
            .microvolts(ChipConfig::default().uv_per_code());
        assert!((uv[0] - 100.0).abs() < 0.1);
        assert!(driver.verify().is_ok());
    }
}

#[test]
fn clipping_holds_its_channel_at_full_scale() {
    let script = "at 1s clip ch1 for 100ms\nat 2s clip ch2";
    let (_, mut driver, mut drdy) = rig(&scripted(script), constant([100.0, -100.0]));
    driver.initialise(&ChipConfig::default()).unwrap();
    let mut clipped = [0; 2];
    for _ in 0..1_000 {
        let codes = next(&mut driver, &mut drdy).1.codes;
        clipped[0] += u32::from(codes[0] == CODE_MAX);
        clipped[1] += u32::from(codes[1] == CODE_MIN);
    }
    assert_eq!(clipped, [50, 1]);
}

#[test]
fn a_dead_bus_and_a_stopped_chip_read_as_no_frame() {
    struct Ones;
    impl embedded_hal::spi::ErrorType for Ones {
        type Error = Infallible;
    }
    impl SpiDevice for Ones {
        fn transaction(
            &mut self,
            operations: &mut [embedded_hal::spi::Operation<'_, u8>],
        ) -> Result<(), Infallible> {
            for operation in operations {
                if let embedded_hal::spi::Operation::TransferInPlace(bytes) = operation {
                    bytes.fill(0xFF);
                }
            }
            Ok(())
        }
    }
    let board = SimulatedBoard::new(&BoardOptions::default(), constant([0.0; 2]));
    let mut driver = Ads1292::new(Ones, NoPin, NoPin, board.delay());
    assert_eq!(
        driver.initialise(&ChipConfig::default()),
        Err(Error::Id(IdError { found: 0xFF }))
    );
    assert_eq!(
        driver.read_frame(),
        Err(Error::Frame(FrameError::NoSync { found: 0xFF }))
    );
}

#[test]
fn runs_repeat_bit_for_bit() {
    let run = || {
        let script =
            "at 1s lead-off in1p for 1s\nat 1.2s flip-bits 30 for 100ms\nat 2s missed-drdy";
        let mut t = 0.0_f64;
        let (_, mut driver, mut drdy) = rig(&scripted(script), move |_: SampleTime| {
            t += 0.01;
            Some([t.sin() * 500.0, t.cos() * 300.0])
        });
        let config = ChipConfig {
            lead_off_sense: LeadOffSense::default(),
            ..ChipConfig::default()
        };
        driver.initialise(&config).unwrap();
        (0..1_500)
            .map(|_| next(&mut driver, &mut drdy))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn the_end_of_the_source_is_seen() {
    let (_, mut driver, mut drdy) = rig(&BoardOptions::default(), |time: SampleTime| {
        (time.index < 10).then_some([1.0; 2])
    });
    driver.initialise(&ChipConfig::default()).unwrap();
    let mut frames = 0;
    let end = loop {
        match drdy.wait_falling(TIMEOUT_NS) {
            Ok(_) => frames += u32::from(driver.read_frame().is_ok()),
            Err(error) => break error,
        }
    };
    assert_eq!((frames, end), (10, DrdyWaitError::SourceEnded));
}

#[test]
fn a_failing_bus_and_failing_pins_are_named() {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Broken;
    impl embedded_hal::spi::Error for Broken {
        fn kind(&self) -> embedded_hal::spi::ErrorKind {
            embedded_hal::spi::ErrorKind::Other
        }
    }
    impl embedded_hal::spi::ErrorType for Broken {
        type Error = Self;
    }
    impl SpiDevice for Broken {
        fn transaction(
            &mut self,
            _: &mut [embedded_hal::spi::Operation<'_, u8>],
        ) -> Result<(), Self> {
            Err(Self)
        }
    }
    impl embedded_hal::digital::Error for Broken {
        fn kind(&self) -> embedded_hal::digital::ErrorKind {
            embedded_hal::digital::ErrorKind::Other
        }
    }
    impl embedded_hal::digital::ErrorType for Broken {
        type Error = Self;
    }
    impl embedded_hal::digital::OutputPin for Broken {
        fn set_low(&mut self) -> Result<(), Self> {
            Err(Self)
        }
        fn set_high(&mut self) -> Result<(), Self> {
            Err(Self)
        }
    }
    let config = ChipConfig::default();
    let board = SimulatedBoard::new(&BoardOptions::default(), constant([0.0; 2]));
    let mut driver = Ads1292::new(Broken, NoPin, NoPin, board.delay());
    assert_eq!(driver.initialise(&config), Err(Error::Spi(Broken)));
    assert_eq!(driver.read_frame(), Err(Error::Spi(Broken)));
    let mut driver = Ads1292::new(board.spi(), Broken, NoPin, board.delay());
    let error = driver.initialise(&config).unwrap_err().to_string();
    assert!(error.contains("START"), "{error}");
    let mut driver = Ads1292::new(board.spi(), NoPin, Broken, board.delay());
    let error = driver.initialise(&config).unwrap_err().to_string();
    assert!(error.contains("RESET"), "{error}");
}
