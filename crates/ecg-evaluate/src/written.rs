//! What was found in a record as WFDB annotations.

use wfdb_io::{Annotation, AnnotationCode};

use super::record::FoundBeat;
use super::run_record::RecordRun;
use super::whole::whole;

/// The code of a mnemonic, `otherwise` where there is none.
fn code(mnemonic: &str, otherwise: AnnotationCode) -> AnnotationCode {
    AnnotationCode::from_mnemonic(mnemonic).unwrap_or(otherwise)
}

impl RecordRun {
    /// The beats with their class in the order of time, Q where they are `unclassifiable` in `found`,
    /// which are the beats of this run.
    #[must_use]
    pub fn beat_annotations(&self, found: &[FoundBeat]) -> Vec<Annotation> {
        let beats = self.beats.iter().zip(found);
        beats
            .map(|(beat, found)| {
                let code = if found.unclassifiable {
                    AnnotationCode::UNKNOWN
                } else {
                    let symbol = found.class.symbol().to_string();
                    code(&symbol, AnnotationCode::UNKNOWN)
                };
                Annotation {
                    chan: self.signal_number(beat.channel),
                    ..Annotation::new(beat.r_sample, code)
                }
            })
            .collect()
    }

    /// P waves, QRS complexes and T waves as PhysioNet's ecgpuwave writes them: `(` p `)` `(` N `)`
    /// `(` t `)` of every beat in order of time; the number of an annotation is 0 for P wave, 1 for
    /// QRS complex and 2 for T wave. A wave that is not there is not written, and a T wave whose end
    /// lies beyond the window has no `)`.
    #[must_use]
    pub fn wave_annotations(&self) -> Vec<Annotation> {
        let mut all = Vec::new();
        for (beat, detail) in self.beats.iter().zip(&self.details) {
            let waves = &detail.waves;
            for (num, wave, peak) in [(0, waves.p, "p"), (1, waves.qrs, "N"), (2, waves.t, "t")] {
                let Some(wave) = wave else { continue };
                let points = [
                    (Some(wave.onset_ms), "("),
                    (Some(wave.peak_ms), peak),
                    (wave.end_ms, ")"),
                ];
                for (ms, mnemonic) in points {
                    let Some(ms) = ms else { continue };
                    let away = (f64::from(ms) * self.rate_hz / 1e3).round();
                    let sample = beat.r_sample as f64 + away;
                    // A wave cut off by the record's beginning or end is not all there.
                    if sample >= 0.0 && whole(sample) < self.samples {
                        all.push(Annotation {
                            num,
                            chan: self.signal_number(beat.channel),
                            ..Annotation::new(whole(sample), code(mnemonic, AnnotationCode::NOTE))
                        });
                    }
                }
            }
        }
        // The T wave of one beat may end after the P wave of the next begins.
        all.sort_by_key(|annotation| annotation.sample);
        all
    }

    fn signal_number(&self, channel: u8) -> u8 {
        let signal = self.signals.get(usize::from(channel)).copied();
        u8::try_from(signal.unwrap_or_default()).unwrap_or(u8::MAX)
    }
}
