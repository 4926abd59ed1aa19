//! What a signal is, as far as its description tells.

use super::header::{Header, SignalSpec};

/// What a signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalKind {
    /// An ECG: called so, or by the name of a lead.
    Ecg,
    /// Something else: EEG, EOG, EMG, respiration, a pressure, a rate ...
    Other,
    /// Nothing tells.
    Unknown,
}

/// The signals of a record that are its ECG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcgSignals {
    /// The signals, counted from 0, in the order of the header; at least one.
    pub signals: Vec<usize>,
    /// Whether nothing but their unit says that they are an ECG.
    pub guessed: bool,
}

/// Characters of a description or unit that an error repeats.
const LONGEST_NAME: usize = 60;

/// Words that begin the description of something that is no ECG.
const OTHER_PREFIXES: [&str; 47] = [
    "EEG", "EOG", "EMG", "EGG", "ERG", "SCG", "BCG", "PCG", "PPG", "GSR", "EDA", "RESP", "FLOW",
    "AIRFLOW", "NASAL", "THOR", "ABD", "CHEST", "RIB", "SNOR", "SOUND", "MICRO", "SAO", "SPO",
    "PLETH", "PULSE", "ABP", "IABP", "NIBP", "ART", "BLOOD", "PRESS", "TEMP", "RATE", "POSITION",
    "BODYPOS", "LIGHT", "ACC", "GYRO", "CHIN", "LEG", "LEFTEYE", "RIGHTEYE", "EYE", "MARK", "TRIG",
    "STIM",
];
/// The same where only the whole word, its number taken off, tells.
const OTHER_WORDS: [&str; 29] = [
    "BP", "NBP", "PAP", "CVP", "ICP", "LAP", "RAP", "UAP", "PAW", "CO", "ETCO", "HR", "PR", "RR",
    "OX", "POS", "IMP", "FHR", "UC", "TOCO", "UA", "ROC", "LOC", "TIB", "DX", "SX", "LAT", "RAT",
    "EVENT",
];
/// Places of EEG and EOG electrodes, without their number.
const ELECTRODES: [&str; 16] = [
    "FP", "AF", "F", "FC", "FT", "C", "T", "TP", "CP", "P", "PO", "O", "A", "M", "E", "PG",
];
/// Words beside the name of a lead that say nothing more.
const FILLERS: [&str; 8] = [
    "LEAD",
    "MOD",
    "ML",
    "DERIVATION",
    "ABLEITUNG",
    "RAW",
    "FILTERED",
    "UNFILTERED",
];

impl SignalKind {
    /// The kind of a signal of this description. `ECG` or `EKG` in it, or the name of a lead (`MLII`,
    /// `aVR`, `V5`, `mod.V1`, `V2-V3` ...) comes before everything else.
    #[must_use]
    pub fn from_description(description: &str) -> Self {
        let upper = description.to_uppercase();
        let words = words(&upper);
        let says_ecg = |word: &&str| {
            let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
            let named = |word: &str, name| word.starts_with(name) || word.ends_with(name);
            named(stem, "ECG") || named(stem, "EKG") || stem.starts_with("ELECTROCARDIO")
        };
        if words.iter().any(says_ecg) {
            return Self::Ecg;
        }
        let mut leads = words
            .iter()
            .filter(|word| !FILLERS.contains(*word))
            .peekable();
        if leads.peek().is_some() && leads.all(|word| is_lead(word)) {
            return Self::Ecg;
        }
        // The three leads of the EASI system (Long-Term ST Database).
        if matches!(words.as_slice(), ["E" | "A", "S"] | ["A", "I"]) {
            return Self::Ecg;
        }
        if words.iter().any(|word| is_other(word)) || all_electrodes(&words) {
            return Self::Other;
        }
        Self::Unknown
    }
}

fn words(upper: &str) -> Vec<&str> {
    upper
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether a word is the name of a lead.
fn is_lead(word: &str) -> bool {
    let (stem, number) = numbered(word);
    match stem {
        "I" | "II" | "III" | "DI" | "DII" | "DIII" | "MLI" | "MLII" | "MLIII" | "MII" | "AVR"
        | "AVL" | "AVF" | "MAVR" | "MAVL" | "MAVF" | "VX" | "VY" | "VZ" => number.is_none(),
        "D" => matches!(number, Some(1..=3)),
        "V" | "MCL" | "MV" | "MLV" => matches!(number, None | Some(1..=9)),
        "ML" | "CM" | "CC" | "CL" | "CB" | "CS" => matches!(number, Some(1..=9)),
        // Right-sided chest leads: V3R to V6R.
        _ => word
            .strip_prefix('V')
            .and_then(|rest| rest.strip_suffix('R'))
            .is_some_and(|number| matches!(number.parse(), Ok(1..=9))),
    }
}

fn is_other(word: &str) -> bool {
    let (stem, _) = numbered(word);
    OTHER_PREFIXES.iter().any(|prefix| word.starts_with(prefix)) || OTHER_WORDS.contains(&stem)
}

/// `C3-A2`, `C3A2`, `Fpz-Cz`: places on the head and nothing else.
fn all_electrodes(words: &[&str]) -> bool {
    let mut places = words.iter().flat_map(|word| places(word)).peekable();
    let is_place = |place: &str| {
        let (stem, number) = numbered(place);
        let on_the_midline = stem.len() > 1 && stem.strip_suffix('Z').is_some_and(is_electrode);
        (number.is_some() && is_electrode(stem)) || (number.is_none() && on_the_midline)
    };
    places.peek().is_some() && places.all(is_place)
}

fn is_electrode(stem: &str) -> bool {
    ELECTRODES.contains(&stem)
}

/// Cuts a word where a letter follows a digit.
fn places(word: &str) -> Vec<&str> {
    let mut places = Vec::new();
    let (mut start, mut after_digit) = (0, false);
    for (at, letter) in word.char_indices() {
        let digit = letter.is_ascii_digit();
        if after_digit && !digit {
            places.extend(word.get(start..at));
            start = at;
        }
        after_digit = digit;
    }
    places.extend(word.get(start..));
    places
}

/// A word and the number at its end.
fn numbered(word: &str) -> (&str, Option<u32>) {
    let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = word
        .get(stem.len()..)
        .and_then(|digits| digits.parse().ok());
    (stem, number)
}

impl SignalSpec {
    /// What the signal is, as far as its description tells.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        SignalKind::from_description(&self.description)
    }

    /// Why it is not taken for an ECG, in a few words.
    fn refusal(&self) -> String {
        let start = |text: &str| -> String { text.chars().take(LONGEST_NAME).collect() };
        let name = match self.description.trim() {
            "" => "one without a name".to_owned(),
            name => start(name),
        };
        match (self.kind(), self.uv_conversion()) {
            (SignalKind::Other, _) => format!("{name} is something else"),
            (_, None) => format!(
                "{name} is in `{}`, expected V, mV, uV or nV",
                start(self.units.trim())
            ),
            _ => format!("nothing tells what {name} is"),
        }
    }
}

impl Header {
    /// The signals that are the record's ECG: those called so (see
    /// [`SignalKind::from_description`]). Where none is,
    /// those of which nothing is known but that they are voltages; not beside an EEG, EOG or another
    /// signal of a polysomnogram, where they are anything.
    ///
    /// # Errors
    /// A sentence that says what each signal is instead.
    pub fn ecg_signals(&self) -> Result<EcgSignals, String> {
        if self.signals.is_empty() {
            return Err("the record has no signals".to_owned());
        }
        let all = || self.signals.iter().enumerate();
        let of = |kind: SignalKind| -> Vec<usize> {
            all()
                .filter(|(_, signal)| signal.kind() == kind && signal.uv_conversion().is_some())
                .map(|(index, _)| index)
                .collect()
        };
        let named = of(SignalKind::Ecg);
        if !named.is_empty() {
            return Ok(EcgSignals {
                signals: named,
                guessed: false,
            });
        }
        // An ECG in a unit nobody knows is not made up for by something else.
        let unusable = all().any(|(_, signal)| signal.kind() == SignalKind::Ecg);
        let sleep = all().any(|(_, signal)| is_biosignal_of_sleep(signal));
        let unknown = of(SignalKind::Unknown);
        if unknown.is_empty() || unusable || sleep {
            /// More than these are not listed.
            const LISTED: usize = 8;
            let mut reasons: Vec<String> = all()
                .take(LISTED)
                .map(|(_, signal)| signal.refusal())
                .collect();
            if self.signals.len() > LISTED {
                reasons.push(format!("{} more", self.signals.len() - LISTED));
            }
            return Err(format!(
                "no ECG signal among its signals ({})",
                reasons.join("; ")
            ));
        }
        Ok(EcgSignals {
            signals: unknown,
            guessed: true,
        })
    }
}

/// Whether a voltage that is known to be no ECG: beside it, one without a name may be anything.
fn is_biosignal_of_sleep(signal: &SignalSpec) -> bool {
    signal.kind() == SignalKind::Other && signal.uv_conversion().is_some() && {
        let upper = signal.description.to_uppercase();
        let words = words(&upper);
        let named = |word: &&str| {
            ["EEG", "EOG", "EMG"]
                .iter()
                .any(|name| word.starts_with(name))
        };
        words.iter().any(named) || all_electrodes(&words)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn descriptions_of_public_databases_are_understood() {
        let mut wrong = Vec::new();
        for (kind, descriptions) in [
            (
                SignalKind::Ecg,
                &[
                    "MLII",
                    "V5",
                    "ECG",
                    "ECG1",
                    "ECG II",
                    "EKG",
                    "ECG lead V",
                    "Lead II",
                    "lead i",
                    "i",
                    "avf",
                    "vz",
                    "II,",
                    "AVR,",
                    "mod.V1",
                    "V2-V3",
                    "CM5",
                    "CC5",
                    "D3",
                    "ML5",
                    "MCL1",
                    "V",
                    "V4R",
                    "ECG1-ECG2",
                    "chest_ecg",
                    "ML II",
                    "E-S",
                    "A-I",
                    "ECG I filtered",
                    "fECG",
                ][..],
            ),
            (
                SignalKind::Other,
                &[
                    "F3-M2",
                    "C4-M1",
                    "O2-M1",
                    "E1-M2",
                    "Chin1-Chin2",
                    "ABD",
                    "CHEST",
                    "AIRFLOW",
                    "SaO2",
                    "EEG Fpz-Cz",
                    "EEG(sec)",
                    "EOG(L)",
                    "EOG horizontal",
                    "EMG submental",
                    "Resp oro-nasal",
                    "Resp. Imp.",
                    "RESP,",
                    "C3A2",
                    "Fp2-F4",
                    "Cz",
                    "ABP",
                    "BP",
                    "ART",
                    "PAP",
                    "CVP",
                    "CO2",
                    "PLETH,",
                    "wrist_ppg",
                    "Lefteye",
                    "Sound",
                    "Flow",
                    "ribcage",
                    "Pulse",
                    "BodyPos",
                    "HR",
                    "foot GSR",
                    "SCG",
                    "SpO2",
                    "ROC-LOC",
                    "THOR RES",
                    "OX stat",
                    "NIBP",
                ],
            ),
            (
                SignalKind::Unknown,
                &["", "noise1", "x", "signal 0", "Direct_1", "1", "X", "???"],
            ),
        ] {
            for description in descriptions {
                let found = SignalKind::from_description(description);
                if found != kind {
                    wrong.push(format!("{description:?}: {found:?}, expected {kind:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn ecg(signals: &[&str]) -> Result<(Vec<usize>, bool), String> {
        let mut text = format!("x {} 250 0\n", signals.len());
        for signal in signals {
            let (units, name) = signal.split_once(' ').unwrap();
            text.push_str(&format!("x.dat 16 200/{units} 12 0 0 0 0 {name}\n"));
        }
        let header = Header::parse(&text, Path::new("x.hea")).unwrap();
        header.ecg_signals().map(|ecg| (ecg.signals, ecg.guessed))
    }

    #[test]
    fn a_channel_called_ecg_comes_before_guesses() {
        let sleep = ["uV F3-M2", "uV F4-M1", "uV ABD", "% SaO2"];
        assert_eq!(
            ecg(&[&sleep[..], &["mV ECG"]].concat()),
            Ok((vec![4], false))
        );
        assert_eq!(
            ecg(&["mV x", "mV V1", "mV y", "uV II"]),
            Ok((vec![1, 3], false))
        );
        assert_eq!(ecg(&["mV x", "mmHg y", "uV "]), Ok((vec![0, 2], true)));
        assert_eq!(ecg(&["mV x", "mV RESP"]), Ok((vec![0], true)));
        for (signals, words) in [
            (
                &sleep[..],
                "F3-M2 is something else; F4-M1 is something else",
            ),
            (
                &["uV x", "uV EMG"],
                "nothing tells what x is; EMG is something else",
            ),
            (
                &["adu ECG", "mV x"],
                "ECG is in `adu`, expected V, mV, uV or nV",
            ),
            (&["mmHg "], "one without a name is in `mmHg`"),
            (&[], "the record has no signals"),
        ] {
            let refused = ecg(signals).unwrap_err();
            assert!(refused.contains(words), "{signals:?}: {refused}");
        }
        let many = ecg(&["mV EEG"; 100]).unwrap_err();
        assert!(many.ends_with("; 92 more)"), "{many}");
    }
}
