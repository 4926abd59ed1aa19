//! Weights in the order the fused kernel reads them: groups of four values.

use crate::{Part, PartWeights};

/// Most taps of a filter; shorter ones are filled up.
pub(super) const TAPS: usize = 7;

/// The weights buffer under construction.
#[derive(Debug, Default)]
pub(super) struct Packer(pub(super) Vec<f32>);

impl Packer {
    /// Where the next weights start, in groups of four.
    pub(super) const fn position(&self) -> usize {
        self.0.len() / 4
    }

    /// Filters of a stem or a depthwise convolution: per output and input channel seven taps and the
    /// bias, which is zero but for the first input channel.
    pub(super) fn filters(&mut self, part: &Part, weights: &PartWeights) {
        let per_output = weights.weight.len() / part.output.channels.max(1);
        let before = (TAPS - part.kernel) / 2;
        for (filters, &bias) in weights
            .weight
            .chunks_exact(per_output.max(1))
            .zip(&weights.bias)
        {
            for (number, taps) in filters.chunks_exact(part.kernel).enumerate() {
                let mut packed = [0.0; TAPS + 1];
                for (to, &tap) in packed.iter_mut().skip(before).zip(taps) {
                    *to = tap;
                }
                if let (0, Some(last)) = (number, packed.last_mut()) {
                    *last = bias;
                }
                self.0.extend(packed);
            }
        }
    }

    /// The map of the context: per output channel its weights.
    pub(super) fn context(&mut self, weights: &PartWeights) {
        self.0.extend(&weights.context);
    }

    /// A pointwise convolution: per input channel the weights of all output channels, then the
    /// biases.
    pub(super) fn pointwise(&mut self, part: &Part, weights: &PartWeights) {
        let inputs = part.input.channels;
        for input in 0..inputs {
            self.0
                .extend(weights.weight.iter().skip(input).step_by(inputs));
        }
        self.0.extend(&weights.bias);
    }

    /// A dense layer of five outputs: per group of four input channels the five rows, then the
    /// biases in two groups.
    pub(super) fn dense(&mut self, part: &Part, weights: &PartWeights) {
        let inputs = part.input.channels;
        for first in (0..inputs).step_by(4) {
            for row in weights.weight.chunks_exact(inputs) {
                self.0.extend(row.iter().skip(first).take(4));
            }
        }
        self.0.extend(&weights.bias);
        self.0.extend([0.0; 3]);
    }
}
