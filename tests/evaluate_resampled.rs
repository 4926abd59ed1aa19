//! Other databases: MIT-BIH records (Moody and Mark 2001, DOI 10.13026/C2F305) brought to other rates
//! and lead sets keep their figures. Skipped, with the reason, where the database is not at hand.

use std::f64::consts::PI;
use std::path::Path;

use serde_json::Value;
use wfdb_io::{Annotation, Header, Record, read_annotations, write_annotations, write_record};

use super::common;
use super::common::{mitdb, run};

const RATE_HZ: f64 = 360.0;
const SECONDS: f64 = 600.0;
const RECORDS: &str = "119,200,231";
const TWELVE: [&str; 12] = [
    "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
];
/// Zero crossings of the interpolating kernel on either side.
const REACH: f64 = 12.0;

/// Points, of 100.
const QRS_TOLERANCE: f64 = 0.4;
const CLASS_TOLERANCE: f64 = 1.5;

/// Both signals, microvolts.
fn load(path: &Path) -> [Vec<f64>; 2] {
    let record = Record::open(path).expect("a header");
    let conversions: Vec<_> = record
        .header()
        .signals
        .iter()
        .map(|signal| signal.uv_conversion().expect("a voltage"))
        .collect();
    let mut signals = [Vec::new(), Vec::new()];
    let mut frames = record.frames().expect("signals");
    let mut frame = [0; 2];
    for _ in 0..(SECONDS * RATE_HZ) as u64 {
        assert!(frames.next_frame(&mut frame).expect("a frame"));
        for ((signal, conversion), code) in signals.iter_mut().zip(&conversions).zip(frame) {
            signal.push(conversion.to_uv(code).expect("measured"));
        }
    }
    signals
}

/// Windowed-sinc interpolation, band-limited where the rate falls.
fn resample(signal: &[f64], rate_hz: f64) -> Vec<f64> {
    let cut = (rate_hz / RATE_HZ).min(1.0);
    let half = REACH / cut;
    (0..(SECONDS * rate_hz) as usize)
        .map(|index| {
            let centre = index as f64 * RATE_HZ / rate_hz;
            let (mut sum, mut weights) = (0.0, 0.0);
            let first = (centre - half).ceil().max(0.0) as usize;
            let last = ((centre + half).floor() as usize).min(signal.len() - 1);
            for (place, value) in signal.iter().enumerate().take(last + 1).skip(first) {
                let distance = place as f64 - centre;
                let x = PI * distance * cut;
                let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
                let weight = sinc * (0.5 + 0.5 * (PI * distance / half).cos());
                sum += weight * value;
                weights += weight;
            }
            sum / weights
        })
        .collect()
}

/// The record at another rate, with the leads `arrange` makes of its two signals.
fn write(
    folder: &Path,
    database: &Path,
    name: &str,
    rate_hz: f64,
    leads: &[&str],
    arrange: impl Fn(usize, f64, f64) -> f64,
) {
    let [main, other] = load(&database.join(name)).map(|signal| resample(&signal, rate_hz));
    let mut text = format!("{name} {} {rate_hz} 0\n", leads.len());
    for lead in leads {
        text.push_str(&format!("x.dat 16 1000/mV 16 0 0 0 0 {lead}\n"));
    }
    let header = Header::parse(&text, Path::new("x.hea")).expect("a good header");
    let frames = main.iter().zip(&other).map(|(&main, &other)| {
        (0..leads.len())
            .map(|lead| arrange(lead, main, other).round() as i32)
            .collect::<Vec<_>>()
    });
    write_record(folder, header, frames).expect("the record is written");
    let annotations: Vec<Annotation> = read_annotations(&database.join(format!("{name}.atr")))
        .expect("annotations")
        .annotations
        .into_iter()
        .map(|annotation| Annotation {
            sample: (annotation.sample as f64 * rate_hz / RATE_HZ).round() as u64,
            ..annotation
        })
        .filter(|annotation| (annotation.sample as f64) < SECONDS * rate_hz)
        .collect();
    write_annotations(&folder.join(format!("{name}.atr")), &annotations, None)
        .expect("annotations are written");
}

fn points(report: &Value, name: &str) -> f64 {
    100.0 * report["figures"][name].as_f64().unwrap_or(f64::NAN)
}

#[test]
fn other_rates_and_leads_keep_their_figures() {
    let Some(database) = mitdb() else {
        return;
    };
    // Einthoven's and Goldberger's leads of II alone, and chest leads between the two signals.
    let twelve = |lead: usize, main: f64, other: f64| match lead {
        0 => 0.6 * main,
        1 => main,
        2 => 0.4 * main,
        3 => -0.8 * main,
        4 => 0.1 * main,
        5 => 0.7 * main,
        6 => other,
        _ => 0.5 * (main + other),
    };
    let two = |lead: usize, main: f64, other: f64| if lead == 0 { main } else { other };
    type Arrange<'a> = &'a dyn Fn(usize, f64, f64) -> f64;
    let rows: [(f64, &[&str], Arrange<'_>); 6] = [
        (360.0, &["MLII", "V5"], &two),
        (128.0, &["ECG1", "ECG2"], &two),
        (250.0, &["II"], &two),
        (257.0, &TWELVE, &twelve),
        (500.0, &["MLII", "V5"], &two),
        (1000.0, &["II"], &two),
    ];
    let mut reference = None;
    let mut wrong = Vec::new();
    for (rate_hz, leads, arrange) in rows {
        let folder = common::scratch();
        for name in RECORDS.split(',') {
            write(folder.path(), &database, name, rate_hz, leads, arrange);
        }
        let data = folder.path().to_str().expect("UTF-8");
        let chain = run(["evaluate", "--data", data, "--json"]).json();
        let inter = run(["evaluate", "--data", data, "--json", "--protocol", "inter"]).json();
        let figures = [
            ("QRS Se", points(&chain, "qrs_se"), QRS_TOLERANCE),
            ("QRS +P", points(&chain, "qrs_ppv"), QRS_TOLERANCE),
            (
                "chain accuracy",
                points(&chain, "accuracy"),
                CLASS_TOLERANCE,
            ),
            ("VEB Se", points(&chain, "veb_se"), CLASS_TOLERANCE),
            (
                "inter accuracy",
                points(&inter, "aami_accuracy"),
                CLASS_TOLERANCE,
            ),
        ];
        let printed: Vec<String> = figures
            .iter()
            .map(|(name, value, _)| format!("{name} {value:.2}"))
            .collect();
        println!(
            "{rate_hz} Hz, {} leads: {}",
            leads.len(),
            printed.join(", ")
        );
        let reference = *reference.get_or_insert(figures);
        for ((name, value, tolerance), (_, expected, _)) in figures.into_iter().zip(reference) {
            let difference = (value - expected).abs();
            if difference.is_nan() || difference > tolerance {
                wrong.push(format!(
                    "{rate_hz} Hz, {} leads: {name} {value:.2}, at 360 Hz {expected:.2}",
                    leads.len()
                ));
            }
        }
    }
    common::report(&wrong);
}
