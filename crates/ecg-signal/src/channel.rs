//! Everything that happens to one channel before its beats meet the other's.

use std::sync::Arc;

use super::conditioner::Conditioner;
use super::detector::{Detection, Detector, DetectorWeights, History};
use super::monitor::Monitor;
use super::rate::whole;
use super::resample::Kernel;
use super::{Mains, SampleRate, SignalQuality};

/// An electrode counts as off after this long, and as on again after this long, seconds: shorter
/// flickers of the comparators are ignored.
const OFF_AFTER_S: f64 = 0.05;
const ON_AFTER_S: f64 = 0.2;

/// What a channel says.
pub(super) enum ChannelOutput<'a> {
    /// A beat, with the samples around it.
    Beat(Detection, &'a History, SignalQuality),
    /// The channel's quality changed.
    Quality(SignalQuality),
}

/// One channel of the chain.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    conditioner: Conditioner,
    detector: Detector,
    monitor: Monitor,
    /// Input samples in a row that contradict the state of the electrode.
    contrary_samples: u64,
    off_after_samples: u64,
    on_after_samples: u64,
    /// The last value fit to stand in for one that is not; `None` since a start.
    last_uv: Option<f32>,
}

impl Channel {
    pub(super) fn new(
        rate: SampleRate,
        kernel: Arc<Kernel>,
        mains: Mains,
        full_scale_uv: Option<f32>,
        weights: DetectorWeights,
    ) -> Self {
        let samples = |seconds: f64| whole((seconds * rate.hz()).ceil());
        Self {
            conditioner: Conditioner::with_kernel(kernel, mains),
            detector: Detector::new(weights),
            monitor: Monitor::new(full_scale_uv),
            contrary_samples: 0,
            off_after_samples: samples(OFF_AFTER_S),
            on_after_samples: samples(ON_AFTER_S),
            last_uv: None,
        }
    }

    pub(super) fn quality(&self) -> SignalQuality {
        self.monitor.quality()
    }

    /// The newest conditioned samples.
    pub(super) fn history(&self) -> &History {
        self.detector.history()
    }

    /// Whether there may be beats in it.
    fn is_usable(&self) -> bool {
        self.quality().is_usable()
    }

    /// Another channel had a beat with its R peak `age` conditioned samples ago.
    pub(super) fn beat_elsewhere(&mut self, age: u64) -> Option<SignalQuality> {
        self.monitor.beat_elsewhere(age)
    }

    /// Take the sample with input index `index`; a value that is no number, or
    /// that comes with a report of a lead off, is replaced by the one before. `other` is a channel
    /// whose opinion on beats is heard.
    #[inline]
    pub(super) fn push(
        &mut self,
        index: u64,
        uv: f32,
        lead_off: bool,
        other: Option<&Self>,
        sink: &mut impl FnMut(ChannelOutput<'_>),
    ) {
        let was_off = self.quality() == SignalQuality::LeadOff;
        if lead_off != was_off {
            self.contrary_samples += 1;
            if was_off && self.contrary_samples >= self.on_after_samples {
                self.connect(index, sink);
            } else if !was_off && self.contrary_samples >= self.off_after_samples {
                self.disconnect(sink);
            }
        } else {
            self.contrary_samples = 0;
        }
        if self.quality() == SignalQuality::LeadOff {
            return;
        }
        // What an open input says between the first report and the decision is not ECG.
        if uv.is_finite() && !lead_off {
            self.last_uv = Some(uv);
        }
        let Some(uv) = self.last_uv else {
            // Nothing can stand in: the signal begins with the next sample.
            self.conditioner.restart(index + 1);
            self.detector.restart(self.conditioner.next_index());
            return;
        };
        self.monitor.input(uv);
        let beside = other.filter(|other| other.is_usable() && self.is_usable());
        let beside = beside.map(|other| &other.detector);
        let (detector, monitor) = (&mut self.detector, &mut self.monitor);
        self.conditioner.push(uv, &mut |sample| {
            let quality = monitor.quality();
            detector.process(sample.uv, beside, &mut |beat, history| {
                if quality != SignalQuality::Flat {
                    sink(ChannelOutput::Beat(beat, history, quality));
                }
            });
            let change =
                monitor.conditioned(&sample, detector.envelope_uv(), detector.qrs_energy_uv());
            if let Some(quality) = change {
                sink(ChannelOutput::Quality(quality));
            }
        });
    }

    /// Decide everything that waits; [`Channel::restart`] must follow before the next sample.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(ChannelOutput<'_>)) {
        if self.quality() == SignalQuality::LeadOff {
            return;
        }
        let (detector, quality) = (&mut self.detector, self.monitor.quality());
        let mut forward = |beat: Detection, history: &History| {
            if quality != SignalQuality::Flat {
                sink(ChannelOutput::Beat(beat, history, quality));
            }
        };
        self.conditioner
            .flush(&mut |sample| detector.process(sample.uv, None, &mut forward));
        detector.flush(&mut forward);
    }

    /// Continue at input index `next_index` after a gap.
    pub(super) fn restart(&mut self, next_index: u64) {
        self.last_uv = None;
        self.conditioner.restart(next_index);
        self.detector.restart(self.conditioner.next_index());
        self.monitor.restart();
        self.contrary_samples = 0;
    }

    fn disconnect(&mut self, sink: &mut impl FnMut(ChannelOutput<'_>)) {
        self.finish(sink);
        self.monitor.set(SignalQuality::LeadOff);
        self.contrary_samples = 0;
        sink(ChannelOutput::Quality(SignalQuality::LeadOff));
    }

    fn connect(&mut self, index: u64, sink: &mut impl FnMut(ChannelOutput<'_>)) {
        self.restart(index);
        self.monitor.set(SignalQuality::Good);
        sink(ChannelOutput::Quality(SignalQuality::Good));
    }
}
