//! How a record is altered: lead, amplitude, polarity, tempo, noise.

use std::error::Error;
use std::path::Path;

use arrhythmianet::SplitMix64;
use ecg_lab::LoadedRecord;

/// What noise a variant adds.
#[derive(Clone, Copy)]
pub(crate) enum NoiseKind {
    None,
    /// Electrode motion.
    Em,
    /// Muscle artefact.
    Ma,
    /// Baseline wander.
    Bw,
    /// Two of them together.
    Mixed,
}

/// Which lead a variant looks at.
#[derive(Clone, Copy)]
pub(crate) enum Lead {
    First,
    Second,
    /// A random combination of both.
    Turned,
}

/// One way to alter records.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    leads: &'static [Lead],
    noise: NoiseKind,
    /// Signal-to-noise ratios, dB.
    snr_db: (f64, f64),
    /// Whether tempo, amplitude and polarity are altered.
    altered: bool,
    /// Whether the channels are noisy at the same times.
    together: bool,
    /// Whether P and T waves are made larger or smaller and QRS complexes taken out.
    reshaped: bool,
}

impl Variant {
    const fn reshaped(self) -> Self {
        Self {
            reshaped: true,
            ..self
        }
    }
}

const fn one(
    name: &'static str,
    lead: &'static Lead,
    noise: NoiseKind,
    snr_db: (f64, f64),
    altered: bool,
) -> Variant {
    Variant {
        name,
        leads: std::slice::from_ref(lead),
        noise,
        snr_db,
        altered,
        together: false,
        reshaped: false,
    }
}

const fn pair(
    name: &'static str,
    leads: &'static [Lead; 2],
    noise: NoiseKind,
    snr_db: (f64, f64),
    altered: bool,
    together: bool,
) -> Variant {
    Variant {
        name,
        leads,
        noise,
        snr_db,
        altered,
        together,
        reshaped: false,
    }
}

const BOTH: &[Lead; 2] = &[Lead::First, Lead::Second];
const TURNED: &[Lead; 2] = &[Lead::Turned, Lead::Turned];

/// The variants of one channel each record is written in.
pub(crate) const SINGLES: &[Variant] = &[
    one("first", &Lead::First, NoiseKind::None, (0.0, 0.0), false),
    one(
        "first-altered",
        &Lead::First,
        NoiseKind::None,
        (0.0, 0.0),
        true,
    ),
    one("second", &Lead::Second, NoiseKind::None, (0.0, 0.0), false),
    one(
        "second-altered",
        &Lead::Second,
        NoiseKind::None,
        (0.0, 0.0),
        true,
    )
    .reshaped(),
    one("turned-a", &Lead::Turned, NoiseKind::None, (0.0, 0.0), true),
    one("turned-b", &Lead::Turned, NoiseKind::None, (0.0, 0.0), true).reshaped(),
    one(
        "first-em-a",
        &Lead::First,
        NoiseKind::Em,
        (3.0, 15.0),
        false,
    ),
    one(
        "first-em-b",
        &Lead::First,
        NoiseKind::Em,
        (3.0, 15.0),
        false,
    ),
    one("first-em-c", &Lead::First, NoiseKind::Em, (3.0, 15.0), true).reshaped(),
    one("turned-em", &Lead::Turned, NoiseKind::Em, (3.0, 15.0), true).reshaped(),
    one("turned-ma", &Lead::Turned, NoiseKind::Ma, (3.0, 18.0), true).reshaped(),
    one(
        "turned-bw",
        &Lead::Turned,
        NoiseKind::Bw,
        (-6.0, 12.0),
        true,
    ),
    one(
        "first-mixed",
        &Lead::First,
        NoiseKind::Mixed,
        (3.0, 18.0),
        false,
    ),
    one(
        "second-em",
        &Lead::Second,
        NoiseKind::Em,
        (3.0, 15.0),
        false,
    ),
];

/// The variants of two channels.
pub(crate) const PAIRS: &[Variant] = &[
    pair("both", BOTH, NoiseKind::None, (0.0, 0.0), false, false),
    pair(
        "both-turned",
        TURNED,
        NoiseKind::None,
        (0.0, 0.0),
        true,
        false,
    )
    .reshaped(),
    pair("both-em", BOTH, NoiseKind::Em, (3.0, 15.0), false, true),
    pair(
        "both-one-em",
        BOTH,
        NoiseKind::Em,
        (-3.0, 12.0),
        false,
        false,
    ),
    pair(
        "both-one-mixed",
        TURNED,
        NoiseKind::Mixed,
        (-3.0, 12.0),
        true,
        false,
    ),
];

/// Reproducible numbers.
#[derive(Clone)]
struct Dice(SplitMix64);

impl Dice {
    fn new(words: &[&str], seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for byte in words.iter().flat_map(|word| word.bytes()) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        Self(SplitMix64::new(state))
    }

    /// Uniform from 0 to 1.
    fn part(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.part()
    }

    fn sign(&mut self) -> f64 {
        if self.part() < 0.5 { -1.0 } else { 1.0 }
    }
}

/// The noise recordings, both channels of each.
pub(crate) struct Noises {
    em: Vec<Vec<f32>>,
    ma: Vec<Vec<f32>>,
    bw: Vec<Vec<f32>>,
}

impl Noises {
    /// The part of the recordings before `until_s`.
    pub(crate) fn load(folder: &Path, until_s: f64) -> Result<Self, Box<dyn Error>> {
        let load = |name: &str| -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
            let mut record = ecg_lab::load(&folder.join(name))?;
            let end = samples(until_s, record.rate_hz);
            for channel in &mut record.channels_uv {
                channel.truncate(end);
            }
            Ok(record.channels_uv)
        };
        Ok(Self {
            em: load("em.hea")?,
            ma: load("ma.hea")?,
            bw: load("bw.hea")?,
        })
    }
}

/// The record with its channels as the variant has them.
#[allow(clippy::cast_possible_truncation, reason = "gains")]
pub(crate) fn alter(
    record: &LoadedRecord,
    variant: &Variant,
    noises: &Noises,
    seed: u64,
) -> LoadedRecord {
    let mut dice = Dice::new(&[&record.name, variant.name], seed);
    let mut altered = record.clone();
    let [first, second] = &record.channels_uv[..] else {
        return altered;
    };
    altered.channels_uv.clear();
    let times = Dice::new(&[&record.name, variant.name, "times"], seed);
    let mut tempo = 1.0;
    if variant.altered {
        tempo = dice.between(-0.5, 0.6).exp();
    }
    let taken_out = if variant.reshaped {
        choose_beats(&mut altered, &mut dice)
    } else {
        Vec::new()
    };
    for (number, lead) in variant.leads.iter().enumerate() {
        let mut channel: Vec<f32> = match lead {
            Lead::First => first.clone(),
            Lead::Second => second.clone(),
            Lead::Turned => {
                let angle = dice.between(0.0, std::f64::consts::TAU);
                let (a, b) = (angle.cos() as f32, angle.sin() as f32);
                let both = first.iter().zip(second);
                both.map(|(x, y)| a * x + b * y).collect()
            }
        };
        if variant.reshaped {
            let part = dice.between(-0.4, 2.0) as f32;
            add_broad_waves(&mut channel, part, record.rate_hz);
            take_out(&mut channel, &taken_out, record.rate_hz);
        }
        let kinds: &[&Vec<Vec<f32>>] = match variant.noise {
            NoiseKind::None => &[],
            NoiseKind::Em => &[&noises.em],
            NoiseKind::Ma => &[&noises.ma],
            NoiseKind::Bw => &[&noises.bw],
            NoiseKind::Mixed => &[&noises.em, &noises.ma],
        };
        let swapped = usize::from(dice.part() < 0.5);
        for noise in kinds {
            let noise = &noise[(number + swapped) % 2];
            let dice = if variant.together {
                &mut times.clone()
            } else {
                &mut dice
            };
            add_noise(&mut channel, &altered, noise, variant.snr_db, dice);
        }
        if variant.altered {
            let gain = (dice.between(-2.3, 1.4).exp() * dice.sign()) as f32;
            // The converter's own noise stays as it is.
            for uv in &mut channel {
                *uv = *uv * gain + dice.between(-4.0, 4.0) as f32;
            }
        }
        altered.channels_uv.push(channel);
    }
    altered.rate_hz *= tempo;
    altered
}

/// Beats that are taken out, one to three in a row, in every second record: pauses, and P waves that
/// nothing follows. They leave the annotations.
fn choose_beats(record: &mut LoadedRecord, dice: &mut Dice) -> Vec<u64> {
    let often = 0.1 * (dice.part() - 0.4).max(0.0);
    let (mut taken_out, mut in_a_row) = (Vec::new(), 0);
    record.annotations.retain(|&(sample, code)| {
        if !code.is_beat() {
            return true;
        }
        if in_a_row == 0 && dice.part() < often {
            in_a_row = samples(dice.between(1.0, 4.0), 1.0);
        }
        if in_a_row == 0 {
            return true;
        }
        in_a_row -= 1;
        taken_out.push(sample);
        false
    });
    taken_out
}

/// Puts straight lines in the place of QRS complexes and T waves.
fn take_out(channel: &mut [f32], beats: &[u64], rate_hz: f64) {
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len().max(1) as f32;
    let around = samples(0.02, rate_hz);
    for &beat in beats {
        let Ok(beat) = usize::try_from(beat) else {
            continue;
        };
        let from = beat.saturating_sub(samples(0.08, rate_hz));
        let to = beat + samples(0.42, rate_hz);
        if from < around || to + around > channel.len() {
            continue;
        }
        let (first, last) = (
            mean(&channel[from - around..from]),
            mean(&channel[to..to + around]),
        );
        let length = (to - from) as f32;
        for (step, value) in channel[from..to].iter_mut().enumerate() {
            *value = first + (last - first) * step as f32 / length;
        }
    }
}

/// Adds a part of the mean over 80 ms, which holds P and T waves but little of QRS complexes.
fn add_broad_waves(channel: &mut [f32], part: f32, rate_hz: f64) {
    let half = samples(0.04, rate_hz);
    let mut sums = Vec::with_capacity(channel.len() + 1);
    let mut sum = 0.0_f64;
    sums.push(sum);
    for &uv in channel.iter() {
        sum += f64::from(uv);
        sums.push(sum);
    }
    for index in 0..channel.len() {
        let (from, to) = (
            index.saturating_sub(half),
            (index + half + 1).min(channel.len()),
        );
        let mean = (sums[to] - sums[from]) / (to - from) as f64;
        #[allow(clippy::cast_possible_truncation, reason = "microvolts")]
        let mean_uv = mean as f32;
        channel[index] += part * mean_uv;
    }
}

/// Noisy and clean stretches take turns; each noisy one has its own ratio and its own noise.
#[allow(clippy::cast_possible_truncation, reason = "gains")]
fn add_noise(
    channel: &mut [f32],
    record: &LoadedRecord,
    noise: &[f32],
    snr_db: (f64, f64),
    dice: &mut Dice,
) {
    let rate_hz = record.rate_hz;
    let gain_at_0_db =
        ecg_lab::noise_gain(channel, rate_hz, &ecg_lab::reference(record), noise, 0.0);
    let mut start = samples(dice.between(5.0, 60.0), rate_hz);
    while start < channel.len() {
        let end = (start + samples(dice.between(20.0, 150.0), rate_hz)).min(channel.len());
        let ratio = 10_f64.powf(-dice.between(snr_db.0, snr_db.1) / 20.0);
        let gain = gain_at_0_db * (ratio * dice.sign()) as f32;
        let from = samples(dice.between(0.0, noise.len() as f64 / rate_hz), rate_hz);
        let noise = noise.iter().cycle().skip(from);
        for (value, uv) in channel[start..end].iter_mut().zip(noise) {
            *value += gain * uv;
        }
        start = end + samples(dice.between(5.0, 90.0), rate_hz);
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times of a record"
)]
fn samples(seconds: f64, rate_hz: f64) -> usize {
    (seconds * rate_hz) as usize
}
