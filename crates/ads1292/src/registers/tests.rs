//! Every register byte, by table and exhaustively.

use super::*;

type Row = (Register, u8, u8);

/// Decodes and encodes a register's byte; `None` where decoding refuses it.
fn round(register: Register, byte: u8) -> Option<u8> {
    match register {
        Register::Id => ChipModel::from_id(byte).ok().map(ChipModel::id),
        Register::Config1 => Config1::decode(byte).ok().map(Config1::encode),
        Register::Config2 => Config2::decode(byte).ok().map(Config2::encode),
        Register::Loff => Loff::decode(byte).ok().map(Loff::encode),
        Register::Ch1Set | Register::Ch2Set => ChannelSettings::decode(register, byte)
            .ok()
            .map(ChannelSettings::encode),
        Register::RldSens => RightLegDrive::decode(byte).ok().map(RightLegDrive::encode),
        Register::LoffSens => LeadOffSense::decode(byte).ok().map(LeadOffSense::encode),
        Register::LoffStat => LoffStat::decode(byte).ok().map(LoffStat::encode),
        Register::Resp1 => Respiration::decode(byte, 0x03)
            .ok()
            .map(|it| it.encode()[0]),
        Register::Resp2 => Respiration::decode(0x42, byte)
            .ok()
            .map(|it| it.encode()[1]),
        Register::Gpio => Gpio::decode(byte).ok().map(Gpio::encode),
    }
}

#[test]
fn default_values_encode_the_reset_values() {
    let table: [Row; 7] = [
        (Register::Config1, Config1::default().encode(), 0x02),
        (Register::Config2, Config2::default().encode(), 0x80),
        (Register::Loff, Loff::default().encode(), 0x10),
        (Register::Ch1Set, ChannelSettings::default().encode(), 0x00),
        (Register::RldSens, RightLegDrive::default().encode(), 0x00),
        (Register::LoffSens, LeadOffSense::default().encode(), 0x00),
        (Register::Gpio, Gpio::default().encode(), 0x0C),
    ];
    let wrong: Vec<_> = table
        .into_iter()
        .filter(|&(register, got, expected)| {
            got != expected || register.reset_value() != Some(expected)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:x?}");
}

#[test]
fn datasheet_examples() {
    let test_signal = Config2 {
        reference: ReferenceSource::Internal2V42,
        test_signal: TestSignal::Square1Hz,
        ..Config2::default()
    };
    let lead_off = Config2 {
        reference: ReferenceSource::Internal2V42,
        lead_off_comparators: true,
        ..Config2::default()
    };
    let on = |gain, input| ChannelSettings::On { gain, input }.encode();
    let used = Respiration {
        demodulation: true,
        modulation: true,
        phase: RespirationPhase::Khz32 { step: 12 },
        ..Respiration::default()
    };
    let table = [
        ("test signal CONFIG2 A3h", test_signal.encode(), 0xA3),
        ("lead-off CONFIG2 E0h", lead_off.encode(), 0xE0),
        (
            "lead-off LOFF_SENS 0Fh",
            LeadOffSense::ALL_ELECTRODES.encode(),
            0x0F,
        ),
        (
            "channel test signal",
            on(Gain::X6, InputMux::TestSignal),
            0x05,
        ),
        (
            "channel shorted gain 12",
            on(Gain::X12, InputMux::Shorted),
            0x61,
        ),
        (
            "channel powered down, shorted",
            ChannelSettings::PoweredDown.encode(),
            0x81,
        ),
        (
            "RLD from all electrodes",
            RightLegDrive::FROM_ALL_ELECTRODES.encode(),
            0x2F,
        ),
        (
            "RESP1 without respiration",
            Respiration::default().encode()[0],
            0x02,
        ),
        (
            "RESP2 without respiration",
            Respiration::default().encode()[1],
            0x07,
        ),
        ("RESP1 135 degrees", used.encode()[0], 0xF2),
        ("RESP2 32 kHz", used.encode()[1], 0x03),
    ];
    let wrong: Vec<_> = table.iter().filter(|(_, got, want)| got != want).collect();
    assert!(wrong.is_empty(), "{wrong:x?}");
    assert!((used.phase.degrees() - 135.0).abs() < 1e-6);
}

#[test]
fn every_accepted_byte_encodes_with_its_fixed_bits() {
    let mut wrong = Vec::new();
    for register in Register::ALL {
        let mut accepted = 0;
        for byte in 0..=u8::MAX {
            let Some(encoded) = round(register, byte) else {
                continue;
            };
            accepted += 1;
            // What was decoded and encoded once is stable and carries the fixed ones.
            let stable = round(register, encoded) == Some(encoded);
            let ones = register.fixed_ones();
            if !stable || encoded & ones != ones {
                wrong.push((register, byte, encoded));
            }
        }
        assert!(accepted > 0, "{register} accepts nothing");
    }
    assert!(wrong.is_empty(), "{wrong:x?}");
}

#[test]
fn registers_without_don_t_cares_go_round_byte_for_byte() {
    let mut wrong = Vec::new();
    for register in [
        Register::Config1,
        Register::Loff,
        Register::RldSens,
        Register::LoffSens,
        Register::LoffStat,
        Register::Resp1,
    ] {
        for byte in 0..=u8::MAX {
            if let Some(encoded) = round(register, byte)
                && encoded != byte
            {
                wrong.push((register, byte, encoded));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:x?}");
}

#[test]
fn forbidden_bytes_are_refused_by_name() {
    let table = [
        (Config1::decode(0x07).err(), "CONFIG1", "DR"),
        (Config1::decode(0x42).err(), "CONFIG1", "fixed"),
        (Config2::decode(0x20).err(), "CONFIG2", "fixed"),
        (Config2::decode(0x84).err(), "CONFIG2", "fixed"),
        (Loff::decode(0x00).err(), "LOFF", "fixed"),
        (
            ChannelSettings::decode(Register::Ch2Set, 0x70).err(),
            "CH2SET",
            "GAIN",
        ),
        (
            ChannelSettings::decode(Register::Ch1Set, 0x0A).err(),
            "CH1SET",
            "MUX",
        ),
        (RightLegDrive::decode(0x40).err(), "RLD_SENS", "CHOP"),
        (LeadOffSense::decode(0x80).err(), "LOFF_SENS", "fixed"),
        (LoffStat::decode(0x20).err(), "LOFF_STAT", "fixed"),
        (Respiration::decode(0x00, 0x03).err(), "RESP1", "fixed"),
        (Respiration::decode(0x02, 0x02).err(), "RESP2", "fixed"),
        (Respiration::decode(0x62, 0x07).err(), "RESP1", "RESP_PH"),
        (Gpio::decode(0x1C).err(), "GPIO", "fixed"),
    ];
    let wrong: Vec<_> = table
        .iter()
        .filter(|(error, register, what)| {
            error.is_none_or(|error| {
                let text = error.to_string();
                !text.contains(register) || !text.contains(what)
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:x?}");
}

#[test]
fn ids() {
    assert_eq!(ChipModel::from_id(0x53), Ok(ChipModel::Ads1292));
    assert_eq!(ChipModel::from_id(0x73), Ok(ChipModel::Ads1292R));
    for (id, expected) in [
        (0x00, "MISO"),
        (0xFF, "MISO"),
        (0x52, "ADS1291"),
        (0x51, "ADS1192"),
        (0x92, "ADS1294"),
        (0x35, "SPI mode"),
    ] {
        let error = ChipModel::from_id(id).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(expected) && text.contains(&format!("{id:#04x}")),
            "{text}"
        );
    }
}

#[test]
fn rates_and_gains_match_the_datasheet() {
    let rates: Vec<_> = DataRate::ALL
        .iter()
        .map(|rate| {
            (
                rate.hz(),
                rate.oversampling(),
                rate.settling_ns() * 128 / 1_000_000,
            )
        })
        .collect();
    // Settling time in tMOD of 7.8125 µs: 4100, 2052, 1028, 516, 260, 132, 68 (Table 13).
    assert_eq!(
        rates,
        [
            (125, 1024, 4100),
            (250, 512, 2052),
            (500, 256, 1028),
            (1000, 128, 516),
            (2000, 64, 260),
            (4000, 32, 132),
            (8000, 16, 68)
        ]
    );
    for rate in DataRate::ALL {
        assert_eq!(rate.period_ns() * u64::from(rate.hz()), 1_000_000_000);
        assert_eq!(DataRate::from_hz(rate.hz()), Some(rate));
    }
    assert_eq!(DataRate::from_hz(360), None);
    for gain in Gain::ALL {
        assert_eq!(Gain::from_factor(gain.factor()), Some(gain));
    }
    assert_eq!(Gain::from_factor(5), None);
}

#[test]
fn names_and_addresses_go_round() {
    for register in Register::ALL {
        assert_eq!(Register::from_address(register.address()), Some(register));
        assert_eq!(Register::from_name(register.name()), Some(register));
    }
    assert_eq!(Register::from_address(12), None);
    assert_eq!(Register::from_name("CONFIG3"), None);
}
