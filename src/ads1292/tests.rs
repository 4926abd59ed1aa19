//! The driver against the simulated chip.

use core::convert::Infallible;

use embedded_hal::spi::SpiDevice;

use super::simulator::{
    BoardOptions, DrdyWaitError, SampleSource, SampleTime, SimulatedBoard, SimulatedDelay,
    SimulatedDrdy, SimulatedResetPin, SimulatedSpi, SimulatedStartPin,
};
use super::*;

type Driver = Ads1292<SimulatedSpi, SimulatedStartPin, SimulatedResetPin, SimulatedDelay>;

/// Longer than any conversion takes to come.
const TIMEOUT_NS: u64 = 50_000_000;

fn rig(
    options: &BoardOptions,
    source: impl SampleSource + Send + 'static,
) -> (SimulatedBoard, Driver, SimulatedDrdy) {
    let board = SimulatedBoard::new(options, source);
    let driver = Ads1292::new(
        board.spi(),
        board.start_pin(),
        board.reset_pin(),
        board.delay(),
    );
    let drdy = board.drdy();
    (board, driver, drdy)
}

fn constant(uv: [f64; 2]) -> impl SampleSource + Send + 'static {
    move |_: SampleTime| Some(uv)
}

fn scripted(faults: &str) -> BoardOptions {
    BoardOptions {
        faults: faults.parse().unwrap(),
        ..BoardOptions::default()
    }
}

fn model(model: ChipModel) -> BoardOptions {
    BoardOptions {
        model,
        ..BoardOptions::default()
    }
}

/// The next frame, waited for.
fn next(driver: &mut Driver, drdy: &mut SimulatedDrdy) -> (u64, Frame) {
    let edge = drdy.wait_falling(TIMEOUT_NS).unwrap();
    (edge.time_ns, driver.read_frame().unwrap())
}

#[test]
fn every_rate_and_gain_reads_the_voltage_at_the_electrodes() {
    let uv = [1_234.5, -987.25];
    let mut wrong = Vec::new();
    for rate in DataRate::ALL {
        for gain in Gain::ALL {
            for reference in [Reference::Internal2V42, Reference::Internal4V033] {
                let config = ChipConfig {
                    reference,
                    ..ChipConfig::default().with_rate(rate).with_gain(gain)
                };
                let (board, mut driver, mut drdy) = rig(&BoardOptions::default(), constant(uv));
                assert_eq!(driver.initialise(&config), Ok(ChipModel::Ads1292));
                assert_eq!(board.decode_violations(), 0);
                let (first_ns, frame) = next(&mut driver, &mut drdy);
                let (second_ns, _) = next(&mut driver, &mut drdy);
                let read = frame.microvolts(config.uv_per_code());
                // Half a code at gain 1 and 4.033 V is 0.24 µV.
                let close = (0..2).all(|ch| (read[ch] - uv[ch]).abs() < 0.25);
                if !close || second_ns - first_ns != rate.period_ns() {
                    wrong.push((rate, gain, reference, read, second_ns - first_ns));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn any_spi_clock_leaves_time_to_decode() {
    for sclk_hz in [100_000, 1_000_000, 4_000_000, 20_000_000] {
        let options = BoardOptions {
            sclk_hz,
            ..BoardOptions::default()
        };
        let (board, mut driver, _) = rig(&options, constant([0.0; 2]));
        driver.initialise(&ChipConfig::default()).unwrap();
        assert_eq!(board.decode_violations(), 0, "{sclk_hz} Hz");
        assert_eq!(
            board.registers(),
            ChipConfig::default().image(ChipModel::Ads1292),
            "{sclk_hz} Hz"
        );
    }
}

#[test]
fn conversions_start_by_opcode_or_pin_and_without_any_pin() {
    for control in [StartControl::Opcode, StartControl::Pin] {
        let (_, driver, mut drdy) = rig(&BoardOptions::default(), constant([5.0, 5.0]));
        let mut driver = driver.with_start_control(control);
        driver.initialise(&ChipConfig::default()).unwrap();
        next(&mut driver, &mut drdy);
        driver.stop().unwrap();
        let _ = drdy.wait_falling(0);
        assert!(drdy.wait_falling(TIMEOUT_NS).is_err(), "{control:?}");
        driver.start().unwrap();
        next(&mut driver, &mut drdy);
    }
    let board = SimulatedBoard::new(&BoardOptions::default(), constant([5.0, 5.0]));
    let mut bare = Ads1292::new(board.spi(), NoPin, NoPin, board.delay());
    bare.initialise(&ChipConfig::default()).unwrap();
    board.drdy().wait_falling(TIMEOUT_NS).unwrap();
    assert!(bare.read_frame().is_ok());
}

#[test]
fn initialising_again_works_from_any_state() {
    let (board, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([5.0, 5.0]));
    for step in 0..4 {
        driver
            .initialise(&ChipConfig::default().with_rate(DataRate::Sps1000))
            .unwrap();
        drdy.discard();
        next(&mut driver, &mut drdy);
        match step {
            0 => driver.stop().unwrap(),
            1 => driver.standby().unwrap(),
            _ => {}
        }
    }
    // Without the reset pin, from standby too.
    driver.standby().unwrap();
    let mut bare = Ads1292::new(board.spi(), NoPin, NoPin, board.delay());
    assert_eq!(
        bare.initialise(&ChipConfig::default()),
        Ok(ChipModel::Ads1292)
    );
}

#[test]
fn both_parts_are_known_and_others_refused_by_name() {
    for part in [ChipModel::Ads1292, ChipModel::Ads1292R] {
        let (_, mut driver, _) = rig(&model(part), constant([0.0; 2]));
        assert_eq!(driver.initialise(&ChipConfig::default()), Ok(part));
    }
    for (mask, found) in [
        ("0x01", 0x52),
        ("0x53", 0x00),
        ("0xac", 0xFF),
        ("0x80", 0xD3),
    ] {
        let script = format!("at 0s flip-register ID {mask}");
        let (_, mut driver, _) = rig(&scripted(&script), constant([0.0; 2]));
        let result = driver.initialise(&ChipConfig::default());
        assert_eq!(result, Err(Error::Id(IdError { found })));
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains(&format!("{found:#04x}"))
        );
        assert_eq!(driver.set_up(), None);
    }
}

#[test]
fn every_register_is_read_back() {
    let mut wrong = Vec::new();
    for (register, written) in ChipConfig::default().registers() {
        // LOFF_STAT's only writable bit; elsewhere bit 3, which reads back everywhere.
        let mask: u8 = if register == Register::LoffStat {
            0x40
        } else {
            0x08
        };
        let script = format!("at 0s flip-register {register} {mask}");
        let (_, mut driver, _) = rig(&scripted(&script), constant([0.0; 2]));
        let result = driver.initialise(&ChipConfig::default());
        let expected = Error::ReadBack {
            register,
            written,
            read: written ^ mask,
        };
        if result != Err(expected) {
            wrong.push((register, result));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn live_bits_do_not_disturb_the_read_back() {
    let options = BoardOptions {
        gpio_levels: [true, true],
        ..scripted("at 0s lead-off in1p\nat 0s lead-off rld")
    };
    let (_, mut driver, _) = rig(&options, constant([0.0; 2]));
    assert!(driver.initialise(&ChipConfig::default()).is_ok());
    assert!(driver.verify().is_ok());
}

#[test]
fn registers_cannot_be_read_in_rdatac() {
    let (_, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([0.0; 2]));
    driver.initialise(&ChipConfig::default()).unwrap();
    drdy.wait_falling(TIMEOUT_NS).unwrap();
    assert_ne!(driver.read_register(Register::Id), Ok(0x53));
    driver.stop().unwrap();
    assert_eq!(driver.read_register(Register::Id), Ok(0x53));
    assert_eq!(
        driver.read_registers(),
        Ok(ChipConfig::default().image(ChipModel::Ads1292))
    );
}

#[test]
fn respiration_needs_the_r_part() {
    let config = ChipConfig {
        respiration: Respiration {
            demodulation: true,
            modulation: true,
            phase: RespirationPhase::Khz32 { step: 10 },
            ..Respiration::default()
        },
        ..ChipConfig::default()
    };
    let (board, mut driver, _) = rig(&model(ChipModel::Ads1292R), constant([0.0; 2]));
    assert_eq!(driver.initialise(&config), Ok(ChipModel::Ads1292R));
    assert_eq!(board.registers()[9..11], [0xEA, 0x03]);

    let (_, mut driver, _) = rig(&model(ChipModel::Ads1292), constant([0.0; 2]));
    let error = driver.initialise(&config).unwrap_err();
    assert_eq!(
        error,
        Error::Config(ConfigError::RespirationUnsupported {
            model: ChipModel::Ads1292
        })
    );
    assert!(error.to_string().contains("ADS1292R only"), "{error}");
}

#[test]
fn a_new_rate_leaves_lead_off_detection_alone() {
    let config = ChipConfig {
        lead_off: Loff {
            threshold: LeadOffThreshold::Percent75,
            current: LeadOffCurrent::Na22,
            mode: LeadOffMode::Dc,
        },
        ..ChipConfig::default()
    };
    let (board, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([0.0; 2]));
    assert_eq!(
        driver.set_rate(DataRate::Sps125),
        Err(Error::NotInitialised)
    );
    driver.initialise(&config).unwrap();
    for rate in DataRate::ALL {
        driver.set_rate(rate).unwrap();
        assert_eq!(
            board.registers(),
            config.with_rate(rate).image(ChipModel::Ads1292),
            "{rate:?}"
        );
        let (first_ns, _) = next(&mut driver, &mut drdy);
        let (second_ns, _) = next(&mut driver, &mut drdy);
        assert_eq!(second_ns - first_ns, rate.period_ns());
        assert_eq!(driver.set_up().unwrap().1.rate, rate);
    }
}

#[test]
fn the_test_signal_is_vref_over_2400_at_1_hz() {
    for (signal, reference, amplitude_uv) in [
        (
            TestSignal::Square1Hz,
            Reference::Internal2V42,
            2.42e6 / 2_400.0,
        ),
        (
            TestSignal::Square1Hz,
            Reference::Internal4V033,
            4.033e6 / 2_400.0,
        ),
        (TestSignal::Dc, Reference::Internal2V42, 2.42e6 / 2_400.0),
    ] {
        let config = ChipConfig {
            reference,
            ..ChipConfig::self_test(signal)
        };
        let (_, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([9e9, 9e9]));
        driver.initialise(&config).unwrap();
        let mut flips_ns = Vec::new();
        let mut previous = None;
        for _ in 0..5 * 500 {
            let (time_ns, frame) = next(&mut driver, &mut drdy);
            let uv = frame.microvolts(config.uv_per_code());
            for value in uv {
                assert!(
                    (value.abs() - amplitude_uv).abs() < 0.1,
                    "{signal:?}: {value}"
                );
            }
            let positive = uv[0] > 0.0;
            if previous.is_some_and(|it| it != positive) {
                flips_ns.push(time_ns);
            }
            previous = Some(positive);
        }
        if signal == TestSignal::Dc {
            assert!(flips_ns.is_empty());
            continue;
        }
        assert!(flips_ns.len() >= 9, "{flips_ns:?}");
        for pair in flips_ns.windows(2) {
            let half_ns = pair[1] - pair[0];
            assert!(half_ns.abs_diff(500_000_000) <= 2_000_000, "{half_ns} ns");
        }
    }
}

#[test]
fn inputs_of_the_multiplexer() {
    let table: [(InputMux, Gain, [f64; 2], f64); 5] = [
        (InputMux::NormalElectrode, Gain::X6, [800.0, -800.0], 0.1),
        (InputMux::Shorted, Gain::X12, [0.0; 2], 4.1),
        (InputMux::Temperature, Gain::X1, [145_300.0; 2], 0.5),
        (InputMux::Supply, Gain::X1, [1_500_000.0, 825_000.0], 0.5),
        (InputMux::In3, Gain::X6, [0.0; 2], 0.1),
    ];
    let mut wrong = Vec::new();
    for (input, gain, expected_uv, tolerance_uv) in table {
        let config = ChipConfig::default().with_input(input).with_gain(gain);
        let (_, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([800.0, -800.0]));
        driver.initialise(&config).unwrap();
        let mut seen = Vec::new();
        for _ in 0..50 {
            let uv = next(&mut driver, &mut drdy)
                .1
                .microvolts(config.uv_per_code());
            if (0..2).any(|ch| (uv[ch] - expected_uv[ch]).abs() > tolerance_uv) {
                wrong.push((input, uv));
            }
            seen.push(uv[0]);
        }
        let noisy = seen.iter().any(|uv| (uv - seen[0]).abs() > 0.5);
        assert_eq!(noisy, input == InputMux::Shorted, "{input:?}");
    }
    assert!(wrong.is_empty(), "{wrong:?}");

    let config = ChipConfig {
        channels: [ChannelSettings::PoweredDown, ChannelSettings::default()],
        ..ChipConfig::default()
    };
    let (_, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([800.0, -800.0]));
    driver.initialise(&config).unwrap();
    let codes = next(&mut driver, &mut drdy).1.codes;
    assert!(codes[0] == 0 && codes[1] < -1_000, "{codes:?}");
}

#[test]
fn signals_beyond_full_scale_saturate() {
    let (_, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([4.1e5, -4.1e5]));
    driver.initialise(&ChipConfig::default()).unwrap();
    assert_eq!(next(&mut driver, &mut drdy).1.codes, [CODE_MAX, CODE_MIN]);
}

#[test]
fn every_electrode_is_reported_and_only_where_it_is_compared() {
    let all_on = ChipConfig {
        right_leg: RightLegDrive {
            lead_off_sense: true,
            ..RightLegDrive::FROM_ALL_ELECTRODES
        },
        ..ChipConfig::default()
    };
    let no_comparators = ChipConfig {
        lead_off_comparators: false,
        ..all_on
    };
    let sense_in1p = ChipConfig {
        lead_off_sense: LeadOffSense {
            in1p: true,
            ..LeadOffSense::default()
        },
        ..ChipConfig::default()
    };
    let mut wrong = Vec::new();
    for electrode in Electrode::ALL {
        let only_in1p = electrode == Electrode::In1P;
        for (what, config, expected) in [
            ("all", all_on, true),
            ("no comparators", no_comparators, false),
            ("in1p alone", sense_in1p, only_in1p),
        ] {
            let options = scripted(&format!("at 0s lead-off {electrode}"));
            let (_, mut driver, mut drdy) = rig(&options, constant([100.0; 2]));
            driver.initialise(&config).unwrap();
            let status = next(&mut driver, &mut drdy).1.status.lead_off;
            driver.stop().unwrap();
            let register = driver.read_lead_off_status().unwrap().lead_off;
            let expected_bits = if expected { electrode.status_bit() } else { 0 };
            if status.bits() != expected_bits || register != status {
                wrong.push((electrode, what, status, register));
            }
            assert_eq!(status.is_off(electrode), expected);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

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
            let expected = LeadOff {
                in1p,
                in2n,
                ..LeadOff::default()
            };
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
fn standby_and_single_shot() {
    let (_, mut driver, mut drdy) = rig(&BoardOptions::default(), constant([100.0; 2]));
    driver.initialise(&ChipConfig::default()).unwrap();
    next(&mut driver, &mut drdy);
    driver.standby().unwrap();
    let _ = drdy.wait_falling(0);
    assert!(drdy.wait_falling(TIMEOUT_NS).is_err());
    driver.wake_up().unwrap();
    next(&mut driver, &mut drdy);

    let config = ChipConfig {
        mode: ConversionMode::SingleShot,
        ..ChipConfig::default()
    };
    driver.initialise(&config).unwrap();
    drdy.discard();
    next(&mut driver, &mut drdy);
    assert!(drdy.wait_falling(TIMEOUT_NS).is_err());
    driver.stop().unwrap();
    driver.command(Opcode::Start).unwrap();
    drdy.wait_falling(TIMEOUT_NS).unwrap();
    let frame = driver.read_frame_by_command().unwrap();
    assert!(frame.codes[0] > 0);
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
