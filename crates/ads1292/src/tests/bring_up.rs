//! Setting up, identification, registers and modes.

use super::*;

#[test]
fn any_spi_clock_leaves_time_to_decode() {
    for sclk_hz in [100_000, 1_000_000, 4_000_000, 20_000_000] {
        let options = BoardOptions::new().sclk_hz(sclk_hz);
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
    let options = scripted("at 0s lead-off in1p\nat 0s lead-off rld").gpio_levels([true, true]);
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
