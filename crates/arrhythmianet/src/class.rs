//! The five beat classes of the paper and their place in the ANSI/AAMI EC57 scheme.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// Number of classes, the length of every logits and probability vector.
pub const CLASS_COUNT: usize = 5;

/// A beat class, in the order of the networks' outputs (N L R A V).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(
    feature = "clap",
    derive(clap::ValueEnum),
    value(rename_all = "verbatim")
)]
pub enum BeatClass {
    /// Normal sinus rhythm.
    N,
    /// Left bundle branch block.
    L,
    /// Right bundle branch block.
    R,
    /// Atrial premature contraction.
    A,
    /// Premature ventricular contraction.
    V,
}

/// The ANSI/AAMI EC57 superclass of a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub enum AamiClass {
    /// Any beat that is not in the other classes (normal, bundle branch block, ...).
    N,
    /// Supraventricular ectopic beat (SVEB).
    S,
    /// Ventricular ectopic beat (VEB).
    V,
    /// Fusion of a ventricular and a normal beat.
    F,
    /// Paced or unclassifiable beat.
    Q,
}

impl BeatClass {
    /// All classes in the order of the networks' outputs.
    pub const ALL: [Self; CLASS_COUNT] = [Self::N, Self::L, Self::R, Self::A, Self::V];

    /// The class at `index` in the networks' outputs, `None` if `index >= 5`.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The place of this class in the networks' outputs, 0 to 4.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The one-letter symbol, which is also the MIT annotation mnemonic.
    #[must_use]
    pub const fn symbol(self) -> char {
        match self {
            Self::N => 'N',
            Self::L => 'L',
            Self::R => 'R',
            Self::A => 'A',
            Self::V => 'V',
        }
    }

    /// The class with this symbol, `None` for any other character.
    #[must_use]
    pub fn from_symbol(symbol: char) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.symbol() == symbol)
    }

    /// The EC57 superclass: N, L, R are N; A is S; V is V.
    #[must_use]
    pub const fn aami(self) -> AamiClass {
        match self {
            Self::N | Self::L | Self::R => AamiClass::N,
            Self::A => AamiClass::S,
            Self::V => AamiClass::V,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_symbol_round_trip() {
        for (index, class) in BeatClass::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), index);
            assert_eq!(BeatClass::from_index(index), Some(class));
            assert_eq!(BeatClass::from_symbol(class.symbol()), Some(class));
        }
        assert_eq!(BeatClass::from_index(CLASS_COUNT), None);
        assert_eq!(BeatClass::from_symbol('/'), None);
    }
}
