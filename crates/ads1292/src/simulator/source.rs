//! What the electrodes carry.

/// When a conversion happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleTime {
    /// Conversions since power-up before this one, whatever their rate.
    pub index: u64,
    /// Virtual time since power-up.
    pub time_ns: u64,
}

/// The voltage at the electrodes, sampled once per conversion and in order.
pub trait SampleSource {
    /// Differential voltage of channel 1 and 2 in microvolts at this time; `None` when there is no
    /// more signal, for good: the chip then stops converting.
    fn sample_uv(&mut self, at: SampleTime) -> Option<[f64; 2]>;
}

impl<F: FnMut(SampleTime) -> Option<[f64; 2]>> SampleSource for F {
    fn sample_uv(&mut self, at: SampleTime) -> Option<[f64; 2]> {
        self(at)
    }
}

/// The samples of an iterator, one per conversion, in microvolts.
#[derive(Debug, Clone)]
pub struct Samples<I>(pub I);

impl<I: Iterator<Item = [f64; 2]>> SampleSource for Samples<I> {
    fn sample_uv(&mut self, _at: SampleTime) -> Option<[f64; 2]> {
        self.0.next()
    }
}
