//! What the electrodes carry.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use ads1292::simulator::{SampleSource, SampleTime};
use ecg_gateway::acquisition::{Acquired, FrameSource, SyntheticEcg, open_replay};

/// An ECG without end.
#[derive(Debug, Clone)]
pub(crate) enum Heart {
    /// A trace, over and over: its rate and both channels in microvolts.
    Recorded(f64, Arc<[[f64; 2]]>),
    Synthetic(SyntheticEcg),
}

impl Heart {
    pub(crate) fn open(trace: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let Some(path) = trace else {
            return Ok(Self::Synthetic(SyntheticEcg::new(72.0, None)));
        };
        let (mut source, _) = open_replay(path)?;
        let (rate_hz, uv_per_code) = {
            let info = source.info();
            (info.sample_rate_hz, info.uv_per_code)
        };
        let mut samples = Vec::new();
        while let Some(acquired) = source.next()? {
            if let Acquired::Sample(sample) = acquired {
                let uv = |channel: usize| f64::from(sample.codes[channel]) * uv_per_code[channel];
                samples.push([uv(0), uv(1)]);
            }
        }
        if samples.is_empty() {
            return Err(format!("{}: no sample", path.display()).into());
        }
        Ok(Self::Recorded(rate_hz, samples.into()))
    }
}

impl SampleSource for Heart {
    fn sample_uv(&mut self, at: SampleTime) -> Option<[f64; 2]> {
        match self {
            Self::Recorded(rate_hz, samples) => {
                // The sample before: no filter is needed for a chip that converts more slowly than
                // recorded, for the ECG ends far below half its rate.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let index = (at.time_ns as f64 * *rate_hz / 1e9) as usize;
                samples.get(index % samples.len()).copied()
            }
            Self::Synthetic(ecg) => ecg.sample_uv(at),
        }
    }
}
