//! The chain as a whole, on a synthetic ECG whose beats are known exactly.

use super::*;

const RATES_HZ: [f64; 13] = [
    125.0, 128.0, 200.0, 250.0, 257.0, 333.25, 360.0, 499.5, 500.0, 1000.0, 2000.0, 4000.0, 8000.0,
];

/// Beat times: about 75 a minute, irregular by a tenth of a second.
fn beat_times_s(seconds: f64) -> Vec<f64> {
    (0..)
        .map(|beat| 0.7 + 0.8 * f64::from(beat) + 0.05 * (f64::from(beat) * 1.7).sin())
        .take_while(|&time_s| time_s < seconds)
        .collect()
}

/// P, Q, R, S and T as Gaussians around every beat: offset s, width s, height µV.
const WAVES: [(f64, f64, f64); 5] = [
    (-0.16, 0.025, 120.0),
    (-0.028, 0.008, -100.0),
    (0.0, 0.010, 1000.0),
    (0.028, 0.009, -180.0),
    (0.26, 0.045, 250.0),
];

#[allow(clippy::cast_possible_truncation)]
fn ecg_uv(time_s: f64, beats_s: &[f64]) -> f32 {
    let first = beats_s.partition_point(|&beat_s| beat_s < time_s - 0.6);
    let near = beats_s[first..]
        .iter()
        .take_while(|&&beat_s| beat_s < time_s + 0.4);
    let sum: f64 = near
        .flat_map(|beat_s| WAVES.map(|(offset, width, height)| (beat_s + offset, width, height)))
        .map(|(centre, width, height)| height * (-((time_s - centre) / width).powi(2) / 2.0).exp())
        .sum();
    sum as f32
}

/// Reproducible noise, uniform in -1 to 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = u16::try_from(self.0 >> 48).unwrap();
        f32::from(high) / 32_768.0 - 1.0
    }
}

fn config(rate_hz: f64) -> ChainConfig {
    ChainConfig::new(SampleRate::from_hz(rate_hz).unwrap())
}

/// Two channels of the synthetic ECG, the second inverted and half as large.
fn sample(index: u64, rate_hz: f64, beats_s: &[f64]) -> Sample {
    let uv = ecg_uv(index as f64 / rate_hz, beats_s);
    Sample {
        index,
        uv: [uv, -0.5 * uv],
        lead_off: [false; 2],
    }
}

fn run(config: &ChainConfig, samples: impl Iterator<Item = Sample>) -> Vec<ChainEvent> {
    let mut chain = Chain::new(config).unwrap();
    let mut events = Vec::new();
    for sample in samples {
        chain.push(&sample, &mut |event| events.push(event));
    }
    chain.finish(&mut |event| events.push(event));
    events
}

fn beats<'a>(events: &'a [ChainEvent]) -> Vec<&'a CutBeat> {
    let beat = |event: &'a ChainEvent| match event {
        ChainEvent::Beat(beat) => Some(beat),
        _ => None,
    };
    events.iter().filter_map(beat).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn samples_in(seconds: f64, rate_hz: f64) -> u64 {
    (seconds * rate_hz) as u64
}

/// The beats within `part` of the signal that were missed or reported twice or misplaced by more
/// than `tolerance_s`.
fn errors(found: &[&CutBeat], rate_hz: f64, truth_s: &[f64], tolerance_s: f64) -> Vec<String> {
    let times_s: Vec<f64> = found
        .iter()
        .map(|beat| beat.r_sample as f64 / rate_hz)
        .collect();
    let mut errors: Vec<String> = truth_s
        .iter()
        .map(|&t| {
            (
                t,
                times_s
                    .iter()
                    .filter(|f| (*f - t).abs() <= tolerance_s)
                    .count(),
            )
        })
        .filter(|&(_, count)| count != 1)
        .map(|(t, count)| format!("beat at {t:.3} s found {count} times"))
        .collect();
    if times_s.len() != truth_s.len() {
        errors.push(format!("{} beats for {}", times_s.len(), truth_s.len()));
    }
    errors
}

#[test]
fn every_beat_is_found_where_it_is_at_every_rate() {
    let truth_s = beat_times_s(14.5);
    let mut failed = Vec::new();
    for rate_hz in RATES_HZ {
        let indices = 0..samples_in(15.0, rate_hz);
        let events = run(
            &config(rate_hz),
            indices.map(|i| sample(i, rate_hz, &truth_s)),
        );
        let tolerance_s = 0.002 + 0.5 / rate_hz;
        let wrong = errors(&beats(&events), rate_hz, &truth_s, tolerance_s);
        if !wrong.is_empty() {
            failed.push((rate_hz, wrong));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn no_rate_can_exceed_the_largest_label_delay() {
    let delay_s = |rate_hz: u32| {
        let rate = SampleRate::new(rate_hz, 1).unwrap();
        let lookahead = detector::DEADLINE_SAMPLES as f64 + filter::LOW_PASS_DELAY_SAMPLES as f64;
        // R may stand half a chain sample before the index it is counted from, and half an input
        // sample before the index it is reported at; outputs wait for the end of the kernel.
        let kernel = resample::Kernel::new(rate).half() as f64;
        (lookahead + 0.5) / f64::from(CHAIN_RATE_HZ) + (kernel + 0.5) / rate.hz()
    };
    let largest_s = (125..=8000).map(delay_s).fold(0.0, f64::max);
    assert!(largest_s <= LARGEST_LABEL_DELAY_S, "{largest_s}");
    assert!(LARGEST_LABEL_DELAY_S - largest_s < 0.005, "{largest_s}");
}

#[test]
fn beats_come_in_order_and_in_time_even_from_noise() {
    for rate_hz in RATES_HZ {
        let mut noise = Noise(7);
        let truth_s = beat_times_s(16.0);
        let samples = (0..samples_in(16.0, rate_hz)).map(|index| {
            let mut sample = sample(index, rate_hz, &truth_s);
            // From noise alone to a disturbed ECG.
            let ecg_part = if sample.index < samples_in(8.0, rate_hz) {
                0.0
            } else {
                1.0
            };
            sample.uv = sample.uv.map(|uv| ecg_part * uv + 400.0 * noise.next());
            sample
        });
        let events = run(&config(rate_hz), samples);
        let found = beats(&events);
        assert!(found.len() > 8, "{rate_hz}: {}", found.len());
        assert!(
            found.windows(2).all(|w| w[0].r_sample < w[1].r_sample),
            "{rate_hz}"
        );
        for beat in found {
            let delay_s = (beat.decided_at_sample - beat.r_sample) as f64 / rate_hz;
            assert!(delay_s <= LARGEST_LABEL_DELAY_S, "{rate_hz}: {delay_s}");
        }
    }
}

#[test]
fn the_window_is_the_conditioned_signal_around_r() {
    let (rate_hz, truth_s) = (360.0, beat_times_s(20.0));
    let indices = || 0..samples_in(20.0, rate_hz);
    let events = run(
        &config(rate_hz),
        indices().map(|i| sample(i, rate_hz, &truth_s)),
    );
    let mut conditioner = Conditioner::new(config(rate_hz).rate, Mains::Hz50);
    let mut conditioned = Vec::new();
    for index in indices() {
        let uv = sample(index, rate_hz, &truth_s).uv[0];
        conditioner.push(uv, &mut |sample| conditioned.push(sample.uv));
    }
    conditioner.flush(&mut |sample| conditioned.push(sample.uv));
    let chain_rate = SampleRate::new(CHAIN_RATE_HZ, 1).unwrap();
    let mut complete = 0;
    for beat in beats(&events)
        .into_iter()
        .filter(|beat| beat.window_complete)
    {
        complete += 1;
        let r = config(rate_hz)
            .rate
            .convert_index(beat.r_sample, chain_rate);
        let start = usize::try_from(r).unwrap() - 2 * R_INDEX;
        let equal = |from: usize| {
            (0..WINDOW_SAMPLES)
                .all(|k| beat.window_uv[k].to_bits() == conditioned[from + 2 * k].to_bits())
        };
        // The chain's R may be the neighbour of the sample that the input index rounds to.
        assert!(
            [start - 1, start, start + 1].into_iter().any(equal),
            "{}",
            beat.r_sample
        );
    }
    assert!(complete > 20, "{complete}");
}

#[test]
fn a_short_gap_right_behind_a_long_one_is_not_bridged_from_before_both() {
    let (rate_hz, truth_s) = (500.0, beat_times_s(40.0));
    let (from, to) = (samples_in(15.3, rate_hz), samples_in(15.5, rate_hz));
    // Behind the gap every electrode has another offset: a bridge from before would be a step.
    let shifted = |i: u64| {
        let mut sample = sample(i, rate_hz, &truth_s);
        if i >= to {
            sample.uv = sample.uv.map(|uv| uv + 4_000.0);
        }
        sample
    };
    let run_with = |gaps: &[u64]| {
        let mut chain = Chain::new(&config(rate_hz)).unwrap();
        let mut events = Vec::new();
        for i in 0..samples_in(40.0, rate_hz) {
            if i == from {
                for &next in gaps {
                    chain.gap(next, &mut |event| events.push(event));
                }
            }
            if !(from..to).contains(&i) {
                chain.push(&shifted(i), &mut |event| events.push(event));
            }
        }
        chain.finish(&mut |event| events.push(event));
        events
    };
    assert_eq!(run_with(&[to - 1, to]), run_with(&[to]));
}

#[test]
fn a_gap_shifts_nothing_behind_it() {
    let (rate_hz, truth_s) = (500.0, beat_times_s(40.0));
    let (from, to) = (samples_in(15.3, rate_hz), samples_in(17.1, rate_hz));
    let all = || (0..samples_in(40.0, rate_hz)).map(|i| sample(i, rate_hz, &truth_s));
    let whole = run(&config(rate_hz), all());
    let parted = run(
        &config(rate_hz),
        all().filter(|s| !(from..to).contains(&s.index)),
    );
    let outside = |beat: &&&CutBeat| !(from - 300..to + 500).contains(&beat.r_sample);
    let r = |events: &[ChainEvent]| -> Vec<u64> {
        beats(events)
            .iter()
            .filter(outside)
            .map(|beat| beat.r_sample)
            .collect()
    };
    assert_eq!(r(&whole), r(&parted));
    let found = beats(&parted);
    let first_behind = found.iter().position(|beat| beat.r_sample >= to).unwrap();
    assert_eq!(found[first_behind].rr.rr_s, None);
    assert!(found[first_behind + 1].rr.rr_s.is_some());
    let last_before = found[first_behind - 1];
    assert!(last_before.r_sample < from && last_before.decided_at_sample < from);
    assert!(!last_before.window_complete);
    let last_uv = last_before.window_uv[WINDOW_SAMPLES - 1];
    assert_eq!(
        last_uv.to_bits(),
        last_before.window_uv[WINDOW_SAMPLES - 2].to_bits()
    );
}

#[test]
fn a_beat_whose_window_is_cut_too_far_cannot_be_read() {
    let mut failed = Vec::new();
    // Seconds of signal before and after R of the beat in question, and whether it can be read.
    for (before_s, after_s, expected) in [
        (0.05, 1.0, false),
        (0.25, 1.0, false),
        (0.42, 1.0, false),
        (0.46, 1.0, true),
        (1.0, 0.10, false),
        (1.0, 0.14, true),
        (1.0, 0.50, true),
        (1.0, 0.60, true),
    ] {
        for rate_hz in [128.0, 360.0, 500.0, 8000.0] {
            let truth_s = beat_times_s(20.0);
            // At the signal's start and end, and at the ends of a gap.
            let at_the_start = |seconds: f64| samples_in(truth_s[10] + seconds, rate_hz);
            let (from, to) = (at_the_start(-before_s), at_the_start(after_s));
            let all = samples_in(18.0, rate_hz);
            let after_gap = (0..samples_in(6.0, rate_hz)).chain(from..all);
            let before_gap = (0..to).chain(samples_in(14.0, rate_hz)..all);
            for indices in [
                (from..to).collect::<Vec<_>>(),
                if before_s < 1.0 {
                    after_gap.collect()
                } else {
                    before_gap.collect()
                },
            ] {
                let samples = indices.iter().map(|&i| sample(i, rate_hz, &truth_s));
                let events = run(&config(rate_hz), samples);
                let beats = beats(&events);
                let near =
                    |beat: &&&CutBeat| (beat.r_sample as f64 / rate_hz - truth_s[10]).abs() < 0.02;
                let found = beats.iter().find(near).map(|beat| beat.readable);
                if found != Some(expected) {
                    let length = indices.len();
                    failed.push((before_s, after_s, rate_hz, length, found));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_t_wave_at_the_very_start_is_no_beat() {
    let mut failed = Vec::new();
    for rate_hz in [128.0, 360.0, 500.0] {
        // One beat in 1.2 s: the next is not in sight when the T wave must be decided.
        let truth_s: Vec<f64> = (0..12).map(|beat| 0.7 + 1.2 * f64::from(beat)).collect();
        for behind_r_s in [0.10, 0.12, 0.14, 0.16, 0.18] {
            let from = samples_in(truth_s[0] + behind_r_s, rate_hz);
            let samples = (from..samples_in(14.0, rate_hz)).map(|i| sample(i, rate_hz, &truth_s));
            let events = run(&config(rate_hz), samples);
            for problem in errors(&beats(&events), rate_hz, &truth_s[1..], 0.02) {
                failed.push(format!("{rate_hz} Hz, {behind_r_s} s behind R: {problem}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_lost_conversion_is_bridged() {
    let (rate_hz, truth_s) = (500.0, beat_times_s(20.0));
    let all = || (0..samples_in(20.0, rate_hz)).map(|i| sample(i, rate_hz, &truth_s));
    let whole = run(&config(rate_hz), all());
    let parted = run(&config(rate_hz), all().filter(|s| s.index % 211 > 2));
    let r = |events: &[ChainEvent]| -> Vec<(u64, bool)> {
        let beats = beats(events);
        beats
            .iter()
            .map(|beat| (beat.r_sample, beat.rr.rr_s.is_some()))
            .collect()
    };
    assert_eq!(r(&whole).len(), r(&parted).len());
    for (a, b) in r(&whole).into_iter().zip(r(&parted)) {
        assert!(a.0.abs_diff(b.0) <= 1 && a.1 == b.1, "{a:?} {b:?}");
    }
}

#[test]
fn an_electrode_falling_off_loses_and_doubles_no_beat() {
    let (rate_hz, truth_s) = (500.0, beat_times_s(59.5));
    let samples = (0..samples_in(60.0, rate_hz)).map(|index| {
        let mut sample = sample(index, rate_hz, &truth_s);
        if (samples_in(20.0, rate_hz)..samples_in(30.0, rate_hz)).contains(&index) {
            sample.lead_off[0] = true;
            sample.uv[0] = 200_000.0;
        }
        sample
    });
    let events = run(&config(rate_hz), samples);
    let wrong = errors(&beats(&events), rate_hz, &truth_s, 0.06);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let switches: Vec<(f64, usize)> = events
        .iter()
        .filter_map(|event| match event {
            &ChainEvent::ChannelSwitched { sample, channel } => {
                Some((sample as f64 / rate_hz, channel))
            }
            _ => None,
        })
        .collect();
    assert_eq!(switches.len(), 2, "{switches:?}");
    assert!(
        (switches[0].0 - 20.05).abs() < 0.01 && switches[0].1 == 1,
        "{switches:?}"
    );
    assert!(
        (40.0..42.5).contains(&switches[1].0) && switches[1].1 == 0,
        "{switches:?}"
    );
}

#[test]
fn a_channel_that_goes_level_is_left_within_two_beats() {
    let (rate_hz, truth_s) = (500.0, beat_times_s(40.0));
    let mut failed = Vec::new();
    for step in 0..16 {
        let from_s = 20.0 + 0.05 * f64::from(step);
        let samples = (0..samples_in(40.0, rate_hz)).map(|index| {
            let mut sample = sample(index, rate_hz, &truth_s);
            if index >= samples_in(from_s, rate_hz) {
                sample.uv[0] = 300.0;
            }
            sample
        });
        let events = run(&config(rate_hz), samples);
        let times_s: Vec<f64> = beats(&events)
            .iter()
            .map(|beat| beat.r_sample as f64 / rate_hz)
            .collect();
        let missed = truth_s.iter().filter(|&&truth_s| {
            truth_s < 39.0 && !times_s.iter().any(|time_s| (time_s - truth_s).abs() < 0.06)
        });
        let missed = missed.count();
        let changes: Vec<(f64, SignalQuality)> = events
            .iter()
            .filter_map(|event| match event {
                &ChainEvent::Quality {
                    sample,
                    channel: 0,
                    quality,
                } => Some((sample as f64 / rate_hz - from_s, quality)),
                _ => None,
            })
            .collect();
        let flat_once = matches!(changes[..], [(after_s, SignalQuality::Flat)] if after_s < 1.95);
        if missed > 1 || !flat_once {
            failed.push((from_s, missed, changes));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn quality_is_told_when_it_changes() {
    let rate_hz = 500.0;
    let truth_s = beat_times_s(60.0);
    type Disturb = fn(&mut Sample, &mut Noise);
    let rows: [(SignalQuality, Disturb); 4] = [
        (SignalQuality::LeadOff, |sample, _| {
            sample.lead_off[0] = true;
        }),
        (SignalQuality::Flat, |sample, noise| {
            sample.uv[0] = 3.0 * noise.next();
        }),
        (SignalQuality::Clipped, |sample, _| {
            sample.uv[0] = (8.0 * sample.uv[0]).clamp(-2000.0, 2000.0);
        }),
        (SignalQuality::Noisy, |sample, noise| {
            sample.uv[0] += 900.0 * noise.next();
        }),
    ];
    let mut failed = Vec::new();
    for (expected, disturb) in rows {
        let mut noise = Noise(3);
        let samples = (0..samples_in(60.0, rate_hz)).map(|index| {
            let mut sample = sample(index, rate_hz, &truth_s);
            if (samples_in(20.0, rate_hz)..samples_in(40.0, rate_hz)).contains(&index) {
                disturb(&mut sample, &mut noise);
            }
            sample
        });
        let config = config(rate_hz).full_scale_uv([Some(2000.0); 2]);
        let changes: Vec<(f64, SignalQuality)> = run(&config, samples)
            .iter()
            .filter_map(|event| match event {
                &ChainEvent::Quality {
                    sample,
                    channel: 0,
                    quality,
                } => Some((sample as f64 / rate_hz, quality)),
                _ => None,
            })
            .collect();
        let as_expected = changes.first().is_some_and(|&(time_s, quality)| {
            quality == expected && (20.0..23.5).contains(&time_s)
        }) && changes.last().is_some_and(|&(time_s, quality)| {
            quality == SignalQuality::Good && (40.0..45.0).contains(&time_s)
        });
        if !as_expected || changes.len() != 2 {
            failed.push((expected, changes));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let rate_hz = 500.0;
    type Value = fn(&mut Noise) -> f32;
    let rows: [(&str, Value); 3] = [
        ("zero", |_| 0.0),
        ("offset", |_| 123_456.0),
        ("converter noise", |noise| 4.0 * noise.next()),
    ];
    for (name, value) in rows {
        let mut noise = Noise(1);
        let samples = (0..samples_in(60.0, rate_hz)).map(|index| Sample {
            index,
            uv: [value(&mut noise); 2],
            lead_off: [false; 2],
        });
        let events = run(&config(rate_hz), samples);
        assert_eq!(beats(&events).len(), 0, "{name}");
    }
}

#[test]
fn a_small_stretch_after_large_beats_is_found_again() {
    let (rate_hz, truth_s) = (500.0, beat_times_s(60.0));
    let samples = (0..samples_in(60.0, rate_hz)).map(|index| {
        let mut sample = sample(index, rate_hz, &truth_s);
        if index > samples_in(30.0, rate_hz) {
            sample.uv = sample.uv.map(|uv| 0.15 * uv);
        }
        sample
    });
    let events = run(&config(rate_hz), samples);
    let late = beats(&events)
        .iter()
        .filter(|beat| beat.r_sample > samples_in(40.0, rate_hz))
        .count();
    let expected = truth_s.iter().filter(|&&t| t > 40.0).count();
    assert!(late + 1 >= expected, "{late} of {expected}");
}

#[test]
fn the_same_samples_give_the_same_events() {
    let (rate_hz, truth_s) = (257.0, beat_times_s(30.0));
    let once = || {
        let mut noise = Noise(11);
        let samples = (0..samples_in(30.0, rate_hz)).map(|index| {
            let mut sample = sample(index, rate_hz, &truth_s);
            sample.uv[0] += 100.0 * noise.next();
            sample
        });
        run(&config(rate_hz), samples)
    };
    assert_eq!(once(), once());
}

#[test]
fn values_that_are_no_numbers_and_old_samples_do_no_harm() {
    let (rate_hz, truth_s) = (360.0, beat_times_s(29.5));
    let samples = (0..samples_in(30.0, rate_hz)).flat_map(|index| {
        let mut now = sample(index, rate_hz, &truth_s);
        if index % 97 == 0 {
            now.uv = [f32::NAN, f32::INFINITY];
        }
        let old = Sample {
            index: index.saturating_sub(5),
            uv: [9e9; 2],
            ..now
        };
        [now, old]
    });
    let events = run(&config(rate_hz), samples);
    let wrong = errors(&beats(&events), rate_hz, &truth_s, 0.006);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn one_channel_is_enough_and_three_are_too_many() {
    let (rate_hz, truth_s) = (250.0, beat_times_s(19.5));
    let mono = config(rate_hz).channel_count(1);
    let samples = (0..samples_in(20.0, rate_hz)).map(|i| sample(i, rate_hz, &truth_s));
    let events = run(&mono, samples);
    assert!(errors(&beats(&events), rate_hz, &truth_s, 0.004).is_empty());
    for (channel_count, channel, expected) in [
        (
            0,
            ChannelChoice::Auto,
            SignalError::ChannelCount { found: 0 },
        ),
        (
            3,
            ChannelChoice::Auto,
            SignalError::ChannelCount { found: 3 },
        ),
        (
            1,
            ChannelChoice::Fixed(1),
            SignalError::Channel {
                found: 1,
                channels: 1,
            },
        ),
    ] {
        let wrong = config(rate_hz)
            .channel_count(channel_count)
            .channel(channel);
        assert_eq!(Chain::new(&wrong).err(), Some(expected));
    }
}

#[test]
fn beats_are_cut_where_they_are_known_to_be() {
    let mut failed = Vec::new();
    for rate_hz in [128.0, 250.0, 257.0, 360.0, 500.0] {
        let truth_s = beat_times_s(30.0);
        // Every second beat alone, one where no beat is, one in a gap, one beyond the end.
        let mut known: Vec<u64> = truth_s
            .iter()
            .step_by(2)
            .map(|time_s| samples_in(*time_s, rate_hz))
            .collect();
        known.push(samples_in(10.05, rate_hz));
        known.push(samples_in(15.5, rate_hz));
        known.sort_unstable();
        let in_gap =
            |sample: &u64| (samples_in(15.0, rate_hz)..samples_in(16.0, rate_hz)).contains(sample);
        let expected: Vec<u64> = known.iter().copied().filter(|at| !in_gap(at)).collect();
        let mut beyond = known.clone();
        beyond.push(samples_in(40.0, rate_hz));
        let config = config(rate_hz)
            .channel_count(1)
            .beats(BeatSource::Known(beyond.into()));
        let samples = (0..samples_in(30.0, rate_hz))
            .filter(|index| !in_gap(index))
            .map(|index| sample(index, rate_hz, &truth_s));
        let events = run(&config, samples);
        let beats = beats(&events);
        let found: Vec<u64> = beats.iter().map(|beat| beat.r_sample).collect();
        // The windows are those the detector's beats at the same places have.
        let peak = |beat: &CutBeat| beat.window_uv[R_INDEX - 3..=R_INDEX + 3].to_vec();
        let high = beats
            .iter()
            .filter(|beat| peak(beat).iter().any(|&uv| uv > 600.0))
            .count();
        if found != expected || high + 2 < expected.len() {
            failed.push((rate_hz, found, expected, high));
        }
        let broken = beats.iter().filter(|beat| beat.rr.rr_s.is_none()).count();
        assert_eq!(
            broken, 2,
            "the first, and the first after the gap: {rate_hz}"
        );
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
