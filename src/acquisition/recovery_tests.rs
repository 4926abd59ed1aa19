//! What is wrong is named, begins and ends where it did, and the chip comes back.

use std::time::Duration;

use ads1292::{ChipConfig, DataRate};
use ecg_chain::{Episode, Event, EventKind, GapCause};

use super::tests::{board, recording, replayed, session};
use super::{Acquired, FrameSource, RecoveryPolicy, SyntheticEcg, open_simulated};

const SECOND_NS: u64 = 1_000_000_000;

fn policy(rate: DataRate) -> RecoveryPolicy {
    RecoveryPolicy::bedside(rate, 1_000_000, Some(Duration::from_secs(1)))
}

/// All of a run of `seconds` and its trace.
fn run(script: &str, rate: DataRate, start_by_pin: bool, seconds: f64) -> (Vec<Acquired>, Vec<u8>) {
    let config = ChipConfig::default().with_rate(rate);
    let session = session(start_by_pin);
    let (recorder, bytes) = recording(&config, &session);
    let heart = SyntheticEcg::new(60.0, Some(seconds));
    let mut source = open_simulated(&board(script), config, heart, session, Some(&recorder))
        .unwrap()
        .with_recovery_policy(policy(rate));
    let mut all = Vec::new();
    while let Some(acquired) = source.next().unwrap() {
        if acquired != Acquired::Idle {
            all.push(acquired);
        }
    }
    recorder.finish().unwrap();
    let bytes = bytes.0.lock().unwrap().clone();
    (all, bytes)
}

fn episodes(all: &[Acquired]) -> Vec<&Event> {
    all.iter()
        .filter_map(|acquired| match acquired {
            Acquired::Event(event) if event.episode != Episode::Momentary => Some(event),
            _ => None,
        })
        .collect()
}

/// Every index comes once, as a sample or in a gap.
fn assert_nothing_is_unaccounted_for(script: &str, all: &[Acquired]) {
    let mut expected = 0;
    for acquired in all {
        match acquired {
            Acquired::Sample(sample) => {
                assert_eq!(sample.index, expected, "{script}");
                expected += 1;
            }
            Acquired::Gap(gap) => {
                assert_eq!(gap.first_missing_sample, expected, "{script}");
                expected += gap.missing_samples;
            }
            Acquired::Event(_) | Acquired::Idle => {}
        }
    }
}

#[test]
fn every_trouble_is_named_with_its_beginning_and_its_end() {
    use DataRate::{Sps500, Sps1000};
    for (script, rate, by_pin, kind) in [
        (
            "at 4s missed-drdy for 1s",
            Sps500,
            false,
            EventKind::DrdySilent,
        ),
        (
            "at 4s flip-bits 0 for 100ms",
            Sps500,
            false,
            EventKind::FramesBad,
        ),
        ("at 4s brown-out", Sps500, false, EventKind::BrownOut),
        // The START pin is still high: conversions go on, with registers nobody has set.
        ("at 4s brown-out", Sps500, true, EventKind::BrownOut),
        // And at half the rate that was set.
        ("at 4s brown-out", Sps1000, true, EventKind::BrownOut),
        ("at 4s brown-out for 2s", Sps500, false, EventKind::NoAnswer),
        (
            "at 4s corrupt-register CH1SET 0x10",
            Sps500,
            false,
            EventKind::RegisterChanged,
        ),
        (
            "at 4s flip-register ID 0x50 for 900ms",
            Sps500,
            false,
            EventKind::NoAnswer,
        ),
    ] {
        let (all, bytes) = run(script, rate, by_pin, 12.0);
        let found = episodes(&all);
        let [begins, ends] = found.as_slice() else {
            panic!("{script} {by_pin}: {found:#?}");
        };
        assert_eq!(
            (begins.kind, begins.episode),
            (kind, Episode::Begins { subject: "chip" }),
            "{script} {by_pin}: {}",
            begins.detail
        );
        let expected = Episode::Ends {
            subject: "chip",
            began_sample: begins.sample,
            began: begins.time,
        };
        assert_eq!((ends.kind, ends.episode), (kind, expected), "{script}");
        // The script's time counts from power-up, the session's too.
        let began_ns = begins.time.since(session(by_pin).start.monotonic);
        assert!(
            (3_900_000_000..5_100_000_000).contains(&began_ns),
            "{script}: {began_ns}"
        );
        assert!(ends.time.since(begins.time) < 5 * SECOND_NS, "{script}");
        assert_nothing_is_unaccounted_for(script, &all);
        assert!(matches!(all.last(), Some(Acquired::Sample(_))), "{script}");
        // What the host did to find out is in the trace, and replays.
        let (again, _) = replayed(&bytes).unwrap();
        let again: Vec<_> = again
            .into_iter()
            .filter(|acquired| *acquired != Acquired::Idle)
            .collect();
        assert!(again == all, "{script}: the replay differs");
    }
}

#[test]
fn a_rate_that_stays_wrong_is_said_and_its_samples_are_kept() {
    let (all, _) = run("at 0s slow-clock 20", DataRate::Sps500, false, 10.0);
    let found = episodes(&all);
    let [begins] = found.as_slice() else {
        panic!("{found:#?}");
    };
    assert_eq!(begins.kind, EventKind::DrdyRateWrong);
    assert!(
        begins
            .detail
            .contains("416.7 times a second instead of 500"),
        "{}",
        begins.detail
    );
    let samples = all
        .iter()
        .filter(|acquired| matches!(acquired, Acquired::Sample(_)));
    assert!(samples.count() > 3_900);
}

#[test]
fn looking_at_the_registers_costs_no_sample() {
    for rate in [DataRate::Sps125, DataRate::Sps500, DataRate::Sps1000] {
        assert!(policy(rate).inspect_every.is_some(), "{rate:?}");
        let (all, bytes) = run("", rate, false, 6.0);
        assert!(
            all.iter()
                .all(|acquired| matches!(acquired, Acquired::Sample(_))),
            "{rate:?}"
        );
        // SDATAC, five times at least: the trace shows that it was done.
        let once = run_without_looking(rate);
        assert!(bytes.len() > once + 5 * 20, "{rate:?}: nobody looked");
    }
}

#[test]
fn where_there_is_no_room_a_look_is_seldom_and_its_samples_are_a_counted_gap() {
    for rate in [DataRate::Sps2000, DataRate::Sps8000] {
        let script = "at 15s corrupt-register CH1SET 0x10";
        let (all, _) = run(script, rate, false, 23.0);
        assert_eq!(
            policy(rate).inspect_every,
            Some(Duration::from_secs(10)),
            "{rate:?}"
        );
        assert_nothing_is_unaccounted_for(script, &all);
        let gaps: Vec<_> = all
            .iter()
            .filter_map(|acquired| match acquired {
                Acquired::Gap(gap) => Some((gap.cause, gap.missing_samples)),
                _ => None,
            })
            .collect();
        // At 8000 SPS the look at 10 s finds nothing and costs some samples, the one at 20 s finds
        // the register. At 2000 SPS only a slow host would lose any by looking.
        match (rate, gaps.as_slice()) {
            (DataRate::Sps8000, [(GapCause::RegisterCheck, 1..=4), (GapCause::ChipRestart, _)])
            | (DataRate::Sps2000, [(GapCause::ChipRestart, _)]) => {}
            other => panic!("{other:?}"),
        }
        let found: Vec<_> = episodes(&all).iter().map(|event| event.kind).collect();
        assert_eq!(found, [EventKind::RegisterChanged; 2], "{rate:?}");
    }
}

fn run_without_looking(rate: DataRate) -> usize {
    let config = ChipConfig::default().with_rate(rate);
    let (recorder, bytes) = recording(&config, &session(false));
    let heart = SyntheticEcg::new(60.0, Some(6.0));
    let mut source =
        open_simulated(&board(""), config, heart, session(false), Some(&recorder)).unwrap();
    while source.next().unwrap().is_some() {}
    recorder.finish().unwrap();
    bytes.0.lock().unwrap().len()
}

#[test]
fn a_board_at_the_bedside_is_never_given_up() {
    let heart = SyntheticEcg::new(60.0, None);
    let script = "at 5s brown-out for 600s";
    let config = ChipConfig::default();
    let mut source = open_simulated(&board(script), config, heart, session(false), None)
        .unwrap()
        .with_recovery_policy(policy(config.rate));
    let (mut restarts, mut failures, mut back) = (0, 0, None);
    loop {
        match source.next().unwrap() {
            Some(Acquired::Event(event)) => {
                restarts += u32::from(event.kind == EventKind::ChipRestarted);
                failures += u32::from(event.kind == EventKind::RestartFailed);
            }
            Some(Acquired::Sample(sample)) if restarts > 0 => {
                back = Some(sample.time.since(session(false).start.monotonic));
                break;
            }
            Some(_) => {}
            None => break,
        }
    }
    // The same failure is said once, however often it is tried; five seconds between tries.
    assert_eq!((restarts, failures), (1, 1));
    let back_ns = back.expect("samples come again");
    assert!(
        (605 * SECOND_NS..612 * SECOND_NS).contains(&back_ns),
        "{back_ns}"
    );
}

/// Ten minutes: the numbers of events of each kind, and how the trouble's end is told.
fn told(script: &str) -> (usize, usize, String) {
    let (all, _) = run(script, DataRate::Sps125, false, 620.0);
    let count = |kind| {
        all.iter()
            .filter(|acquired| matches!(acquired, Acquired::Event(event) if event.kind == kind))
            .count()
    };
    let found = episodes(&all);
    let [_, ends] = found.as_slice() else {
        panic!("{script}: {found:#?}");
    };
    (
        count(EventKind::ChipRestarted),
        count(EventKind::RestartFailed),
        ends.detail.clone(),
    )
}

/// The number before a word.
fn number_before(text: &str, word: &str) -> u32 {
    let before = text.split(word).next().unwrap_or_default().trim_end();
    let number = before.rsplit(' ').next().unwrap_or_default();
    number
        .parse()
        .unwrap_or_else(|_| panic!("{text:?}: no number before {word:?}"))
}

#[test]
fn set_ups_of_a_chip_that_stays_silent_are_counted_not_told_one_by_one() {
    let (set_ups, failures, end) = told("at 5s missed-drdy for 600s");
    // The first, second, fourth ... sixty-fourth.
    assert_eq!((set_ups, failures), (7, 0), "{end}");
    // A silence of 250 ms and a pause of 5 s each, and the set-up itself.
    assert!((100..=120).contains(&number_before(&end, "times")), "{end}");
}

#[test]
fn failures_that_differ_each_time_are_counted_too() {
    let script: String = (0..120)
        .map(|k| {
            format!(
                "at {}s flip-register ID {:#04x} for 5s\n",
                5 + 5 * k,
                0x80 + k
            )
        })
        .collect();
    let (set_ups, failures, end) = told(&script);
    // The first, eighth, sixteenth ... sixty-fourth; the second and fourth are the same failure again.
    assert_eq!((set_ups, failures), (1, 5), "{end}");
    assert!(end.contains("set up once, tried in vain"), "{end}");
    assert!((100..=125).contains(&number_before(&end, "times")), "{end}");
}
