//! The two halves of the MIT-BIH Arrhythmia Database (de Chazal 2004): no record is in both, and no
//! patient but the one of records 201 (DS1) and 202 (DS2).
//! The paced records 102, 104, 107 and 217 are in neither.

/// Records to train on.
pub const DS1: [&str; 22] = [
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201",
    "203", "205", "207", "208", "209", "215", "220", "223", "230",
];

/// Records to test on.
pub const DS2: [&str; 22] = [
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213",
    "214", "219", "221", "222", "228", "231", "232", "233", "234",
];

/// Paced records, in neither half.
pub const PACED: [&str; 4] = ["102", "104", "107", "217"];

/// Records of the MIT-BIH Supraventricular Arrhythmia Database on which nothing is ever trained, tuned
/// or chosen: the strangers that CI labels (`tests/data/strangers`).
pub const NEVER_TRAINED: [&str; 2] = ["855", "863"];

/// Samples per second of the database.
const RATE_HZ: f64 = 360.0;

/// Leads of the database.
const LEADS: [&str; 7] = ["MLII", "V1", "V2", "V3", "V4", "V5", "V6"];

/// The record of the MIT-BIH Arrhythmia Database this record is, or is made from (those of the Noise
/// Stress Test Database: `118e06` is 118 with noise); `None` for any other. Other databases count
/// their records in the same way, so rate and leads must fit, too.
#[must_use]
pub fn mitdb_record(name: &str, rate_hz: f64, leads: &[impl AsRef<str>]) -> Option<&'static str> {
    let is_ours = (rate_hz - RATE_HZ).abs() < 1e-6
        && !leads.is_empty()
        && leads.iter().all(|lead| LEADS.contains(&lead.as_ref()));
    let name = match name.split_once('e') {
        Some((patient, noise)) if noise.trim_start_matches('_').parse::<u8>().is_ok() => patient,
        _ => name,
    };
    let mut all = DS1.iter().chain(&DS2).chain(&PACED);
    all.find(|known| is_ours && **known == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_other_databases_are_not_taken_for_ours() {
        for (name, rate_hz, leads, expected) in [
            ("100", 360.0, &["MLII", "V5"][..], Some("100")),
            ("217", 360.0, &["MLII", "V1"], Some("217")),
            ("118e06", 360.0, &["MLII", "V1"], Some("118")),
            ("119e_6", 360.0, &["MLII", "V1"], Some("119")),
            ("e118", 360.0, &["MLII", "V1"], None),
            ("110", 360.0, &["MLII", "V1"], None),
            // The Long-Term AF Database has records 100 and 200, too.
            ("100", 128.0, &["ECG", "ECG"], None),
            ("100", 360.0, &["ECG", "ECG"], None),
            ("855", 128.0, &["ECG1", "ECG2"], None),
            ("100", 360.0, &[], None),
        ] {
            assert_eq!(
                mitdb_record(name, rate_hz, leads),
                expected,
                "{name} {rate_hz} {leads:?}"
            );
        }
    }

    #[test]
    fn the_halves_are_as_published() {
        assert!(DS1.iter().all(|name| !DS2.contains(name)));
        for paced in PACED {
            assert!(!DS1.contains(&paced) && !DS2.contains(&paced));
        }
        // One patient: the two halves as published share them.
        assert!(DS1.contains(&"201") && DS2.contains(&"202"));
    }
}
