//! What is measured, from electrode to microvolts.

use super::*;

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
