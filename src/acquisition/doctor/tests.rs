//! Every branch of the examination, on the simulated board.

use ads1292::Register;

use super::super::SyntheticEcg;
use super::super::simulated::connect_simulated;
use super::*;
use crate::acquisition::tests::{board as simulated_board, session};

fn examined(script: &str, electrodes: Electrodes, expected: Option<ChipModel>) -> Vec<Step> {
    let what = Examination {
        config: ChipConfig::default(),
        expected,
        electrodes,
    };
    let heart = SyntheticEcg::new(60.0, None);
    let (mut driver, mut drdy, _) =
        connect_simulated(&simulated_board(script), heart, &session(false), None);
    let mut reported = 0;
    let steps = examine(&mut driver, &mut drdy, &what, &mut |_| reported += 1);
    assert_eq!(reported, steps.len());
    assert_eq!(steps.len(), STEPS.len() + Electrode::ALL.len());
    steps
}

fn failed(steps: &[Step]) -> Vec<(&'static str, Option<&'static str>)> {
    steps
        .iter()
        .filter(|step| step.outcome == Outcome::Failed)
        .map(|step| (step.step, step.advice))
        .collect()
}

#[test]
fn a_good_board_passes_and_its_figures_are_the_chips() {
    let steps = examined("", Electrodes::Attached, Some(ChipModel::Ads1292));
    assert_eq!(failed(&steps), [], "{steps:#?}");
    // The right leg is not watched by the default set-up; everything else passes.
    let others = steps.iter().filter(|step| step.step != "lead_off_rld");
    assert!(others.clone().count() == 10);
    assert!(
        others
            .into_iter()
            .all(|step| step.outcome == Outcome::Passed)
    );
    let value = |step: &str, name: &str| {
        let step = steps.iter().find(|found| found.step == step).unwrap();
        step.values[name]
    };
    assert!((value("drdy_rate", "found_hz") - 500.0).abs() < 0.1);
    // VREF / 2400 = 1008.3 µV.
    assert!((value("test_signal", "ch1_amplitude_uv") - 1_008.3).abs() < 1.0);
    assert!((value("test_signal", "ch2_frequency_hz") - 1.0).abs() < 0.01);
    // Uniform within 4 µV: 4 / sqrt(3).
    assert!((value("noise", "ch1_uv_rms") - 2.31).abs() < 0.1);
}

#[test]
fn every_fault_is_found_with_what_to_do() {
    let always = "for 1000s";
    for (script, step, advice) in [
        (format!("at 0s brown-out {always}"), "bus", advice::ALL_ZERO),
        (
            "at 0s flip-register ID 0xac".to_owned(),
            "bus",
            advice::ALL_ONE,
        ),
        (
            "at 0s flip-register ID 0x01".to_owned(),
            "bus",
            advice::UNKNOWN_ID,
        ),
        (
            "at 0s flip-register CH1SET 0x01".to_owned(),
            "registers",
            advice::READ_BACK,
        ),
        (
            format!("at 0s missed-drdy {always}"),
            "drdy_rate",
            advice::SILENT,
        ),
        ("at 0s slow-clock 10".to_owned(), "drdy_rate", advice::RATE),
        (
            "at 500ms missed-drdy for 200ms".to_owned(),
            "drdy_rate",
            advice::LOST_EDGES,
        ),
        (
            format!("at 0s flip-bits 0 {always}"),
            "frames",
            advice::FRAMES,
        ),
        (
            format!("at 0s flat ch2 {always}"),
            "test_signal",
            advice::AMPLITUDE,
        ),
        ("at 0s noise ch1 50".to_owned(), "noise", advice::NOISE),
        (
            "at 0s lead-off in2n".to_owned(),
            "lead_off_in2n",
            advice::ELECTRODE_OFF,
        ),
    ] {
        let steps = examined(&script, Electrodes::Attached, None);
        let found = failed(&steps);
        assert_eq!(
            found.first(),
            Some(&(step, Some(advice))),
            "{script}: {steps:#?}"
        );
    }
    let other = examined("", Electrodes::Attached, Some(ChipModel::Ads1292R));
    assert_eq!(failed(&other), [("bus", Some(advice::OTHER_PART))]);
    // What could not be examined is said, not left out.
    assert!(
        other[1..]
            .iter()
            .all(|step| step.outcome == Outcome::Skipped)
    );
}

#[test]
fn an_id_that_changes_between_reads_is_a_disturbed_bus() {
    // When half of the reads are done.
    let (mut driver, _, chip) = connect_simulated(
        &simulated_board(""),
        SyntheticEcg::new(60.0, None),
        &session(false),
        None,
    );
    driver.reset_and_read_id().unwrap();
    for _ in 0..board::ID_READS / 2 {
        driver.read_register(Register::Id).unwrap();
    }
    let script = format!("at 0s flip-register ID 0x01 for {}ns", chip.now_ns());
    let steps = examined(&script, Electrodes::Attached, None);
    assert_eq!(failed(&steps), [("bus", Some(advice::UNSTABLE))]);
}

#[test]
fn a_detection_that_never_changes_is_found_without_electrodes() {
    let off: Vec<String> = Electrode::ALL
        .iter()
        .filter(|electrode| **electrode != Electrode::In1N)
        .map(|electrode| format!("at 0s lead-off {electrode}"))
        .collect();
    let steps = examined(&off.join("\n"), Electrodes::Detached, None);
    assert_eq!(
        failed(&steps),
        [("lead_off_in1n", Some(advice::ELECTRODE_ON))]
    );
    let steps = examined(&off.join("\n"), Electrodes::Any, None);
    assert_eq!(failed(&steps), []);
}

#[test]
fn a_wrong_frequency_of_the_test_signal_is_found() {
    // The simulated chip cannot: its test signal has a clock of its own.
    let mut collected = Collected::default();
    for index in 0..2_000_u64 {
        let high = (index / 125) % 2 == 1;
        let code = if high { 21_000 } else { -21_000 };
        collected.push(index * 2_000_000, [code, code]);
    }
    let config = ChipConfig::self_test(TestSignal::Square1Hz);
    let step = judge::test_signal(&collected, &config);
    assert_eq!(step.advice, Some(advice::FREQUENCY), "{}", step.found);
}
