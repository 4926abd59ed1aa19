//! Annotations and their codes (`ecgcodes.h` of the WFDB library).

use std::fmt;

/// One annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Sample it belongs to, in the file's time resolution.
    pub sample: u64,
    /// What it says.
    pub code: AnnotationCode,
    /// Subtype, by code.
    pub subtype: i8,
    /// Channel (signal) it was made on.
    pub chan: u8,
    /// Number, by annotator.
    pub num: i8,
    /// Text, e.g. `(N` for a rhythm change; trailing NULs are cut. Bytes that are not UTF-8 are
    /// replaced.
    pub aux: Option<String>,
}

/// The contents of an annotation file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AnnotationFile {
    /// All annotations in time order, without the note that states the resolution.
    pub annotations: Vec<Annotation>,
    /// Samples per second of [`Annotation::sample`], where the file states it; else the record's
    /// rate holds.
    pub resolution_hz: Option<f64>,
    /// Annotations before the record's first sample (a skip may go back), which are left out.
    pub before_start: usize,
    /// The first thing that breaks the file format, where something does.
    pub problem: Option<AnnotationProblem>,
}

/// What breaks the format of an annotation file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnotationProblem {
    /// Byte offset of the word at fault.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for AnnotationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.what)
    }
}

impl AnnotationFile {
    /// What somebody who relies on the annotations should know of how they were read.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let left_out = (self.before_start > 0)
            .then(|| format!("{} before the record's start left out", self.before_start));
        let read = self.annotations.len();
        let problem = self
            .problem
            .map(|problem| format!("{problem}; {read} read"));
        let notes: Vec<String> = problem.into_iter().chain(left_out).collect();
        (!notes.is_empty()).then(|| notes.join(", "))
    }
}

/// An annotation code, 0 to 58.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnotationCode(u8);

/// Mnemonics of the codes 0 to 41; the rest have none but their number.
const MNEMONICS: [&str; 42] = [
    " ", "N", "L", "R", "a", "V", "F", "J", "A", "S", "E", "j", "/", "Q", "~", "[15]", "|", "[17]",
    "s", "T", "*", "D", "\"", "=", "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@",
    "x", "f", "(", ")", "r",
];

impl AnnotationCode {
    /// Not a QRS complex.
    pub const NOT_QRS: Self = Self(0);
    /// Normal beat, `N`.
    pub const NORMAL: Self = Self(1);
    /// Left bundle branch block beat, `L`.
    pub const LEFT_BUNDLE_BRANCH_BLOCK: Self = Self(2);
    /// Right bundle branch block beat, `R`.
    pub const RIGHT_BUNDLE_BRANCH_BLOCK: Self = Self(3);
    /// Premature ventricular contraction, `V`.
    pub const VENTRICULAR_PREMATURE: Self = Self(5);
    /// Atrial premature beat, `A`.
    pub const ATRIAL_PREMATURE: Self = Self(8);
    /// Beat of unknown class, `Q`.
    pub const UNKNOWN: Self = Self(13);
    /// Change of signal quality, `~`.
    pub const NOISE: Self = Self(14);
    /// Comment, `"`.
    pub const NOTE: Self = Self(22);
    /// Rhythm change, `+`.
    pub const RHYTHM: Self = Self(28);
    /// Ventricular flutter wave, `!`.
    pub const FLUTTER_WAVE: Self = Self(31);
    /// Start of ventricular flutter or fibrillation, `[`.
    pub const FLUTTER_START: Self = Self(32);
    /// End of ventricular flutter or fibrillation, `]`.
    pub const FLUTTER_END: Self = Self(33);

    /// The code of this number; `None` above 58, where the file format keeps numbers for itself.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 58 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The code of a mnemonic such as `N` or `/`.
    #[must_use]
    pub fn from_mnemonic(mnemonic: &str) -> Option<Self> {
        (0..=41)
            .map(Self)
            .find(|code| code.mnemonic() == Some(mnemonic))
    }

    /// The number in the file.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The mnemonic; `None` for codes from 42 on, whose meaning each file defines.
    #[must_use]
    pub fn mnemonic(self) -> Option<&'static str> {
        MNEMONICS.get(usize::from(self.0)).copied()
    }

    /// Whether it marks a heartbeat (`isqrs` of the WFDB library's `ecgmap.h`).
    #[must_use]
    pub const fn is_beat(self) -> bool {
        matches!(self.0, 1..=13 | 25 | 30 | 34 | 35 | 38 | 41)
    }
}

impl fmt::Display for AnnotationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => f.write_str(mnemonic),
            None => write!(f, "[{}]", self.0),
        }
    }
}

impl Annotation {
    /// An annotation of channel 0 without subtype, number and text.
    #[must_use]
    pub const fn new(sample: u64, code: AnnotationCode) -> Self {
        Self {
            sample,
            code,
            subtype: 0,
            chan: 0,
            num: 0,
            aux: None,
        }
    }
}

/// Words that are not annotations (`annot(5)`).
pub(super) mod pseudo {
    /// The next four bytes move the time.
    pub(crate) const SKIP: u16 = 59;
    /// Number of this and the following annotations.
    pub(crate) const NUM: u16 = 60;
    /// Subtype of this annotation.
    pub(crate) const SUB: u16 = 61;
    /// Channel of this and the following annotations.
    pub(crate) const CHN: u16 = 62;
    /// Text of this annotation.
    pub(crate) const AUX: u16 = 63;
}

/// How a file states its own time resolution.
pub(super) const RESOLUTION_NOTE: &str = "## time resolution: ";
