//! P waves, QRS complexes and T waves as WFDB annotations, as PhysioNet's ecgpuwave writes them.

use ecg_evaluate::RecordRun;
use wfdb_io::{Annotation, AnnotationCode};

/// `(` p `)` `(` N `)` `(` t `)` of every beat in order of time; the number of an annotation is 0 for P
/// wave, 1 for QRS complex and 2 for T wave. A wave that is not there is not written, and a T wave
/// whose end lies beyond the window has no `)`.
pub(super) fn annotations(run: &RecordRun) -> Vec<Annotation> {
    let code = |mnemonic| AnnotationCode::from_mnemonic(mnemonic).unwrap_or(AnnotationCode::NOTE);
    let mut all = Vec::new();
    for (beat, detail) in run.beats.iter().zip(&run.details) {
        let waves = &detail.waves;
        let signal = run.signals.get(usize::from(beat.channel));
        let chan = signal.and_then(|&signal| u8::try_from(signal).ok());
        for (num, (wave, peak)) in [(waves.p, "p"), (waves.qrs, "N"), (waves.t, "t")]
            .into_iter()
            .enumerate()
        {
            let Some(wave) = wave else { continue };
            let mut put = |ms: f32, mnemonic| {
                let sample = at(beat.r_sample, ms, run.rate_hz);
                // A wave cut off by the record's beginning or end is not all there.
                if let Some(sample) = sample.filter(|&sample| sample < run.samples) {
                    all.push(Annotation {
                        num: i8::try_from(num).unwrap_or_default(),
                        chan: chan.unwrap_or_default(),
                        ..Annotation::new(sample, code(mnemonic))
                    });
                }
            };
            put(wave.onset_ms, "(");
            put(wave.peak_ms, peak);
            if let Some(end_ms) = wave.end_ms {
                put(end_ms, ")");
            }
        }
    }
    // The T wave of one beat may end after the P wave of the next begins.
    all.sort_by_key(|annotation| annotation.sample);
    all
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a window is 1 s long and rates are at most 10,000 Hz"
)]
fn at(r_sample: u64, ms: f32, rate_hz: f64) -> Option<u64> {
    let away = (f64::from(ms) * rate_hz / 1e3).round() as i64;
    r_sample.checked_add_signed(away)
}
