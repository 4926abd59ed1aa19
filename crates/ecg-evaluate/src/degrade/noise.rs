//! The noise stress protocol (Moody, Muldrow, Mark 1984).

use std::path::Path;
use std::sync::Arc;

use wfdb_io::{AnnotationCode, MISSING_SAMPLE, Record};

use super::super::error::RecordError;
use super::super::reference::Reference;
use super::super::whole::{place, whole};

/// Seconds without noise at the start.
const CLEAN_START_S: f64 = 300.0;
/// Seconds of each stretch after that, noisy and clean in turn.
const STRETCH_S: f64 = 120.0;
/// Most measurements of signal and noise.
const MEASUREMENTS: usize = 300;
/// A QRS complex is measured this far on either side of its annotation, seconds.
const QRS_REACH_S: f64 = 0.05;
/// Samples of all signals that are kept in memory: 25 h of two signals at 360 Hz.
const MOST_SAMPLES: usize = 1 << 26;
/// Highest and lowest measurements left out: one in so many, each.
const TRIMMED: usize = 20;

/// A recorded noise, all of it in memory.
#[derive(Debug, Clone)]
pub struct NoiseTape {
    rate_hz: f64,
    /// Codes of each signal.
    signals: Vec<Vec<f32>>,
    /// Amplitude of each signal: root mean square, in codes.
    rms: Vec<f64>,
}

/// What counts as the power of a noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum NoisePower {
    /// The mean square around the mean of the whole recording: all that is added counts.
    #[default]
    Whole,
    /// The mean square around the mean of each second, as PhysioNet's `nst` takes it: wandering
    /// slower than that does not count, so the same ratio means more noise (7 dB more with `em`).
    PerSecond,
}

/// A noise with the gains that give one record the signal-to-noise ratio asked for.
#[derive(Debug, Clone)]
pub struct NoiseStress {
    tape: Arc<NoiseTape>,
    rate_hz: f64,
    channels: Vec<Channel>,
    noisy: bool,
}

#[derive(Debug, Clone)]
struct Channel {
    tape_signal: usize,
    gain: f64,
    /// Added to the noise so that its switching makes no step, codes.
    offset: f64,
    last: f64,
}

impl NoiseTape {
    /// Read the noise record at `path`, with or without `.hea`.
    ///
    /// # Errors
    /// [`RecordError::Wfdb`], [`RecordError::NoNoise`].
    pub fn read(path: &Path, power: NoisePower) -> Result<Self, RecordError> {
        let record = Record::open(path)?;
        let rate_hz = record.rate_hz();
        let refuse = |found| RecordError::NoNoise {
            path: path.to_owned(),
            found,
        };
        let mut signals = vec![Vec::new(); record.header().signals.len()];
        let mut frame = vec![0; signals.len()];
        if frame.is_empty() {
            return Err(refuse("no signals"));
        }
        let mut frames = record.frames()?;
        while frames.next_frame(&mut frame)? {
            if signals.len() * signals.first().map_or(0, Vec::len) > MOST_SAMPLES {
                return Err(refuse("more samples than fit in memory"));
            }
            for (signal, &code) in signals.iter_mut().zip(&frame) {
                let before = signal.last().copied().unwrap_or(0.0);
                signal.push(if code == MISSING_SAMPLE {
                    before
                } else {
                    code as f32
                });
            }
        }
        let second = place(rate_hz.round()).max(1);
        let amplitude = |signal: &Vec<f32>| match power {
            NoisePower::Whole => deviation(signal),
            NoisePower::PerSecond => {
                let seconds = signal.chunks_exact(second).take(MEASUREMENTS);
                trimmed_mean(seconds.map(deviation).collect())
            }
        };
        let rms: Vec<f64> = signals.iter().map(amplitude).collect();
        if signals.first().is_none_or(|signal| signal.len() < second) {
            return Err(refuse("less than a second"));
        }
        if rms.iter().any(|&rms| rms <= 0.0) {
            return Err(refuse("a flat line"));
        }
        Ok(Self {
            rate_hz,
            signals,
            rms,
        })
    }

    /// Linear between the samples; the tape begins anew at its end.
    fn at(&self, signal: usize, time_s: f64) -> f64 {
        let samples = &self.signals[signal];
        let at = time_s * self.rate_hz;
        let index = place(at) % samples.len();
        let (low, high) = (samples[index], samples[(index + 1) % samples.len()]);
        f64::from(low) + f64::from(high - low) * at.fract()
    }
}

/// Root mean square around the mean.
fn deviation(values: &[f32]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().copied().map(f64::from).sum::<f64>() / count;
    let squares: f64 = values
        .iter()
        .map(|&value| (f64::from(value) - mean).powi(2))
        .sum();
    (squares / count).sqrt()
}

fn trimmed_mean(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / TRIMMED;
    let kept = &values[cut..values.len() - cut];
    kept.iter().sum::<f64>() / kept.len().max(1) as f64
}

impl NoiseStress {
    /// Scale the noise for `signals` of `record`: signal power is the squared peak-to-peak amplitude
    /// of the first 300 normal QRS complexes over 8, a trimmed mean; noise power is what the
    /// tape was read with. A signal of the record takes the signal of the noise
    /// at its own place, beginning anew where the noise has fewer.
    ///
    /// # Errors
    /// [`RecordError::Wfdb`], [`RecordError::NoBeats`].
    pub fn new(
        tape: &Arc<NoiseTape>,
        record: &Record,
        signals: &[usize],
        reference: &Reference,
        snr_db: f64,
    ) -> Result<Self, RecordError> {
        let amplitudes = qrs_amplitudes(record, signals, reference)?;
        let channels = signals
            .iter()
            .zip(amplitudes)
            .map(|(&signal, amplitude)| {
                let tape_signal = signal % tape.signals.len();
                let signal_power = amplitude.powi(2) / 8.0;
                let noise_power = tape.rms[tape_signal].powi(2);
                Channel {
                    tape_signal,
                    gain: (signal_power / noise_power / 10_f64.powf(snr_db / 10.0)).sqrt(),
                    offset: 0.0,
                    last: 0.0,
                }
            })
            .collect();
        Ok(Self {
            tape: Arc::clone(tape),
            rate_hz: record.rate_hz(),
            channels,
            noisy: false,
        })
    }

    /// Codes added for each code of noise, one gain a signal.
    #[must_use]
    pub fn gains(&self) -> Vec<f64> {
        self.channels.iter().map(|channel| channel.gain).collect()
    }

    pub(super) fn add(&mut self, index: u64, codes: &mut [i32]) {
        let time_s = index as f64 / self.rate_hz;
        let noisy =
            time_s >= CLEAN_START_S && ((time_s - CLEAN_START_S) / STRETCH_S).floor() % 2.0 < 0.5;
        let switched = noisy != self.noisy;
        self.noisy = noisy;
        for (channel, code) in self.channels.iter_mut().zip(codes) {
            let noise = if noisy {
                channel.gain * self.tape.at(channel.tape_signal, time_s)
            } else {
                0.0
            };
            if switched {
                channel.offset = channel.last - noise;
            }
            channel.last = noise + channel.offset;
            *code = code.saturating_add(rounded(channel.last));
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "saturates")]
fn rounded(code: f64) -> i32 {
    code.round() as i32
}

/// Beats whose QRS complex is the patient's usual one.
fn is_usual(code: AnnotationCode) -> bool {
    matches!(
        code.mnemonic(),
        Some("N" | "L" | "R" | "B" | "e" | "j" | "n" | "/" | "f")
    )
}

fn qrs_amplitudes(
    record: &Record,
    signals: &[usize],
    reference: &Reference,
) -> Result<Vec<f64>, RecordError> {
    let reach = whole(QRS_REACH_S * record.rate_hz());
    let mut beats = reference
        .beats
        .iter()
        .filter(|beat| is_usual(beat.code) && beat.sample >= reach)
        .map(|beat| beat.sample)
        .take(MEASUREMENTS)
        .peekable();
    let mut ranges = vec![Vec::new(); signals.len()];
    let empty = (i32::MAX, i32::MIN);
    let mut current = vec![empty; signals.len()];
    let mut frame = vec![0; record.header().signals.len()];
    let mut frames = record.frames()?;
    let mut index = 0;
    while let Some(&beat) = beats.peek()
        && frames.next_frame(&mut frame)?
    {
        if index + reach >= beat {
            for ((low, high), &signal) in current.iter_mut().zip(signals) {
                if frame[signal] != MISSING_SAMPLE {
                    *low = frame[signal].min(*low);
                    *high = frame[signal].max(*high);
                }
            }
        }
        if index >= beat + reach {
            for (ranges, range) in ranges.iter_mut().zip(&mut current) {
                let (low, high) = std::mem::replace(range, empty);
                if high > low {
                    ranges.push(f64::from(high) - f64::from(low));
                }
            }
            beats.next();
        }
        index += 1;
    }
    if ranges.iter().any(Vec::is_empty) {
        return Err(RecordError::NoBeats {
            record: record.path().to_owned(),
        });
    }
    Ok(ranges.into_iter().map(trimmed_mean).collect())
}

#[cfg(test)]
mod tests {
    use wfdb_io::{Header, write_record};

    use super::*;
    use crate::ReferenceBeat;

    const RATE_HZ: u64 = 100;

    /// A record whose signal 0 is `code(index)`.
    fn record(folder: &Path, name: &str, seconds: u64, code: impl Fn(u64) -> i32) -> Record {
        let text = format!("{name} 1 {RATE_HZ} 0\nx.dat 16 200/mV 12 0 0 0 0 x\n");
        let header = Header::parse(&text, &folder.join("x.hea")).unwrap();
        let frames = (0..seconds * RATE_HZ).map(|index| [code(index)]);
        write_record(folder, header, frames).unwrap();
        Record::open(&folder.join(name)).unwrap()
    }

    /// A peak of 400 codes every second, 0 elsewhere.
    fn peaks(index: u64) -> i32 {
        if index % RATE_HZ == 50 { 400 } else { 0 }
    }

    fn square(index: u64) -> i32 {
        if index.is_multiple_of(2) { 110 } else { 90 }
    }

    fn reference(count: u64) -> Reference {
        Reference {
            beats: (0..count)
                .map(|second| ReferenceBeat {
                    sample: second * RATE_HZ + 50,
                    code: AnnotationCode::NORMAL,
                })
                .collect(),
            ..Reference::default()
        }
    }

    #[test]
    fn noise_has_the_ratio_asked_for_and_comes_in_stretches() {
        let folder = tempfile::tempdir().unwrap();
        let clean = record(folder.path(), "clean", 700, peaks);
        record(folder.path(), "noise", 400, square);
        let tape =
            Arc::new(NoiseTape::read(&folder.path().join("noise"), NoisePower::PerSecond).unwrap());
        let mut noise = NoiseStress::new(&tape, &clean, &[0], &reference(700), 6.0).unwrap();
        // S = 400^2 / 8, N = 10^2, so a^2 = 200 / 10^0.6.
        let expected = (200.0 / 10_f64.powf(0.6)).sqrt();
        assert!((noise.gains()[0] - expected).abs() < 1e-9);
        let added: Vec<i32> = (0..700 * RATE_HZ)
            .map(|index| {
                let mut codes = [0];
                noise.add(index, &mut codes);
                codes[0]
            })
            .collect();
        let span = |from_s: usize, to_s: usize| {
            let piece = &added[from_s * 100..to_s * 100];
            piece.iter().max().unwrap() - piece.iter().min().unwrap()
        };
        assert_eq!(span(0, 300), 0);
        let noisy = f64::from(span(300, 420));
        assert!((noisy - 20.0 * expected).abs() <= 1.0, "{noisy}");
        assert_eq!(span(420, 540), 0);
        assert!(span(540, 660) > 100);
        assert_eq!(span(660, 700), 0);
        // The first noisy sample continues the clean level.
        assert_eq!(added[300 * 100], 0);
    }

    #[test]
    fn what_cannot_be_scaled_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let clean = record(folder.path(), "clean", 10, peaks);
        record(folder.path(), "flat", 10, |_| 7);
        record(folder.path(), "noise", 10, square);
        let read = |name: &str| NoiseTape::read(&folder.path().join(name), NoisePower::Whole);
        assert!(matches!(read("flat"), Err(RecordError::NoNoise { .. })));
        assert!(matches!(read("absent"), Err(RecordError::Wfdb(_))));
        let tape = Arc::new(read("noise").unwrap());
        let refused = NoiseStress::new(&tape, &clean, &[0], &reference(0), 6.0);
        assert!(matches!(refused, Err(RecordError::NoBeats { .. })));
    }

    /// PhysioNet's `nst -i 100 em -s 12` answers with gains 0.397816 and 0.827068: within 0.2 dB. Its
    /// `sigamp` finds the noise of single seconds a little smaller.
    #[test]
    fn gains_are_those_of_nst() {
        let data = std::env::var_os("ECG_MITDB").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mitdb"),
            std::path::PathBuf::from,
        );
        let noise = std::env::var_os("ECG_NOISE")
            .map_or_else(|| data.join("../noise"), std::path::PathBuf::from);
        if !data.join("100.hea").exists() || !noise.join("em.hea").exists() {
            let required = std::env::var("ECG_REQUIRE_DATA").as_deref() == Ok("1");
            assert!(!required, "no records 100 and em, and ECG_REQUIRE_DATA=1");
            println!("skipped: no records 100 and em (set ECG_MITDB and ECG_NOISE)");
            return;
        }
        let clean = Record::open(&data.join("100")).unwrap();
        let file = wfdb_io::read_annotations(&clean.file_with_ending("atr")).unwrap();
        let reference = Reference::from_annotations(&file.annotations);
        let tape = Arc::new(NoiseTape::read(&noise.join("em"), NoisePower::PerSecond).unwrap());
        let stress = NoiseStress::new(&tape, &clean, &[0, 1], &reference, 12.0).unwrap();
        for (gain, expected) in stress.gains().into_iter().zip([0.397_816, 0.827_068]) {
            assert!((gain / expected - 1.0).abs() < 0.023, "{gain} {expected}");
        }
    }
}
