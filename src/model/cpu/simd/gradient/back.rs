//! The way back: transposed convolutions, from the logits to the input.

use super::super::depthwise::PackedDepthwise;
use super::super::marks;
use super::super::product::{Output, PackedProduct, Rows};
use super::super::sparse::PackedSparse;
use super::stage::Kept;
use super::{
    CLASS_COUNT, Isa, Kernel, Layout, Model, Part, PartKind, SMALLEST_DIFFERENCE, Shape, scalars,
    scalars_mut,
};
use crate::model::weights::PartWeights;

/// The parts between the pooling and the input, last first, and the head.
pub(super) struct Back<I: Isa> {
    steps: Vec<Step<I>>,
    /// The dense layer's weights `[class][channel]`.
    dense: Vec<f32>,
    maps: Layout,
    /// Derivatives with respect to a part's output; the next part's in turn.
    front: Vec<I::F32>,
    back: Vec<I::F32>,
    /// Derivatives with respect to a part's output before its ReLU.
    before: Vec<I::F32>,
    /// Which of them are not zero, where the operation that reads them skips zeros.
    marks: Vec<u64>,
    /// Derivatives with respect to the output of a layer with a residual, until its input is reached.
    residual: Vec<I::F32>,
}

/// One part.
struct Step<I: Isa> {
    /// Index of the part in the network.
    part: usize,
    operation: Operation<I>,
    relu: bool,
    /// Layout of the derivatives with respect to the part's output.
    from: Layout,
    /// Layout of those before its ReLU, as the operation reads them.
    spread: Layout,
    /// Rows of `spread` from one row of `from` to the next: the stride.
    step: usize,
    /// Layout of those with respect to its input.
    into: Layout,
    /// Whether this is the last part of a layer with a residual, and whether the first.
    residual_starts: bool,
    residual_ends: bool,
}

enum Operation<I: Isa> {
    Pointwise(PackedProduct<I>),
    /// Of a part with a ReLU, which passes nothing back where it was closed.
    Sparse(PackedSparse<I>),
    Depthwise(PackedDepthwise<I>),
    Stem {
        /// From a row of outputs to what each of its taps passes on.
        taps: PackedProduct<I>,
        part: Part,
        /// `[output][context]`.
        context: Vec<f32>,
    },
}

impl<I: Isa> Back<I> {
    pub(super) fn new(isa: I, model: &Model) -> Self {
        let description = model.description();
        let mut steps = Vec::new();
        let mut dense = Vec::new();
        let mut index = 0;
        for (layer, parts) in description.layers.iter().zip(model.layers()) {
            let parts: Vec<(&Part, &PartWeights)> = parts.collect();
            let last = parts.len().saturating_sub(1);
            for (number, (part, weights)) in parts.into_iter().enumerate() {
                if part.kind == PartKind::Dense {
                    dense.clone_from(&weights.weight);
                } else {
                    steps.push(Step {
                        part: index,
                        residual_starts: layer.residual && number == last,
                        residual_ends: layer.residual && number == 0,
                        ..Step::new(isa, part, weights)
                    });
                }
                index += 1;
            }
        }
        steps.reverse();
        let largest = |of: fn(&Step<I>) -> Layout| {
            steps
                .iter()
                .map(|step| of(step).beat_len())
                .max()
                .unwrap_or(0)
        };
        let (from, into) = (largest(|step| step.from), largest(|step| step.into));
        let room = |vectors: usize| vec![isa.splat(0.0); vectors];
        Self {
            front: room(from.max(into)),
            back: room(from.max(into)),
            before: room(largest(|step| step.spread)),
            marks: steps
                .iter()
                .map(|step| marks::words::<I>(&step.spread))
                .max()
                .map_or_else(Vec::new, |words| vec![0; words]),
            residual: room(from),
            maps: Layout::new::<I>(description.feature_maps(), 0),
            dense,
            steps,
        }
    }

    /// Derivatives of `sum(of[k] * logit[k])` at `beat` with respect to its input, or, with a
    /// `reference`, the multipliers of the rescale rule.
    pub(super) fn run(
        &mut self,
        isa: I,
        beat: &Kept<I>,
        reference: Option<&Kept<I>>,
        of: &[f32; CLASS_COUNT],
        input: &mut [f32],
    ) {
        self.run_until(isa, beat, reference, of, None, input);
    }

    /// As [`Back::run`], but only as far as the output of part `until`: those derivatives
    /// `[time][vectors of channels]`.
    pub(super) fn run_to(
        &mut self,
        isa: I,
        beat: &Kept<I>,
        of: &[f32; CLASS_COUNT],
        until: usize,
    ) -> &[I::F32] {
        self.run_until(isa, beat, None, of, Some(until), &mut []);
        let reached = self.steps.iter().find(|step| step.part == until);
        &self.front[..reached.map_or(0, |step| step.from.beat_len())]
    }

    fn run_until(
        &mut self,
        isa: I,
        beat: &Kept<I>,
        reference: Option<&Kept<I>>,
        of: &[f32; CLASS_COUNT],
        until: Option<usize>,
        input: &mut [f32],
    ) {
        self.head(of);
        for step in &self.steps {
            if Some(step.part) == until {
                return;
            }
            let (shape, width) = (step.from.shape, step.from.width);
            let rows = shape.time * width;
            if step.residual_starts {
                self.residual[..rows].copy_from_slice(&self.front[..rows]);
            }
            // Between the rows of a strided part, and in the margins, nothing is passed back.
            if step.step > 1 || step.spread.margin > 0 {
                self.before[..step.spread.beat_len()].fill(isa.splat(0.0));
            }
            let marks = matches!(step.operation, Operation::Sparse(_)).then_some(&mut self.marks);
            isa.run(ThroughRelu::<I> {
                relu: step.relu,
                after: &self.front[..rows],
                beat: &beat.before[step.part],
                reference: reference.map(|kept| kept.before[step.part].as_slice()),
                before: &mut self.before[step.spread.at(0, 0)..],
                width,
                row_step: step.step * width,
                marks: marks.map(|marks| (marks.as_mut_slice(), step.spread)),
            });
            match &step.operation {
                Operation::Stem {
                    taps,
                    part,
                    context,
                } => {
                    let output = Output {
                        values: &mut self.back,
                        layout: step.into,
                        relu: false,
                        addend: None,
                    };
                    taps.run(isa, 1, rows_of::<I>(&self.before, step.spread), output);
                    let (waveform, context_out) = input.split_at_mut(part.input.len());
                    scatter::<I>(&self.back, step.into, part, waveform);
                    context_back::<I>(&self.before, step.spread, context, context_out);
                    return;
                }
                Operation::Pointwise(weights) => {
                    let output = Output {
                        values: &mut self.back,
                        layout: step.into,
                        relu: false,
                        addend: None,
                    };
                    weights.run(isa, 1, rows_of::<I>(&self.before, step.spread), output);
                }
                Operation::Sparse(weights) => {
                    let output = Output {
                        values: &mut self.back,
                        layout: step.into,
                        relu: false,
                        addend: None,
                    };
                    let input = (self.before.as_slice(), step.spread);
                    weights.run(isa, 1, input, &self.marks, output);
                }
                Operation::Depthwise(weights) => {
                    weights.run(
                        isa,
                        1,
                        (&self.before, step.spread),
                        (&mut self.back, step.into),
                        None,
                    );
                }
            }
            if step.residual_ends {
                let count = step.into.beat_len();
                isa.run(Add {
                    values: &self.residual[..count],
                    to: &mut self.back[..count],
                });
            }
            std::mem::swap(&mut self.front, &mut self.back);
        }
    }

    /// From the logits through the dense layer and the mean: the same at every time.
    fn head(&mut self, of: &[f32; CLASS_COUNT]) {
        let Shape { channels, time } = self.maps.shape;
        let row_len = self.maps.width * I::LANES;
        let values = scalars_mut::<I>(&mut self.front);
        let (first, others) = values[..time * row_len].split_at_mut(row_len);
        first.fill(0.0);
        for (weights, share) in self.dense.chunks_exact(channels).zip(of) {
            for (value, weight) in first.iter_mut().zip(weights) {
                *value += share * weight / time as f32;
            }
        }
        for row in others.chunks_exact_mut(row_len) {
            row.copy_from_slice(first);
        }
    }
}

fn rows_of<I: Isa>(values: &[I::F32], layout: Layout) -> Rows<'_> {
    Rows {
        values: scalars::<I>(values),
        first: layout.at(0, 0) * I::LANES,
        beat_step: 0,
        row_step: layout.width * I::LANES,
    }
}

impl<I: Isa> Step<I> {
    fn new(isa: I, part: &Part, weights: &PartWeights) -> Self {
        let weight = &weights.weight;
        let (inputs, outputs, taps) = (part.input.channels, part.output.channels, part.kernel);
        let from = Layout::new::<I>(part.output, 0);
        let (operation, spread, step, into) = match part.kind {
            PartKind::Convolution => {
                let passed = Shape {
                    channels: taps * inputs,
                    time: part.output.time,
                };
                let no_bias = vec![0.0; passed.channels];
                let operation = Operation::Stem {
                    taps: PackedProduct::new(isa, &no_bias, outputs, |column, output| {
                        let (tap, input) = (column / inputs, column % inputs);
                        weight[(output * inputs + input) * taps + tap]
                    }),
                    part: *part,
                    context: weights.context.clone(),
                };
                (operation, from, 1, Layout::new::<I>(passed, 0))
            }
            PartKind::Depthwise => {
                let flipped: Vec<f32> = weight
                    .chunks_exact(taps)
                    .flat_map(|taps| taps.iter().rev().copied())
                    .collect();
                let no_bias = vec![0.0; outputs];
                (
                    Operation::Depthwise(PackedDepthwise::new(isa, &flipped, &no_bias, 1, false)),
                    Layout::new::<I>(part.input, taps / 2),
                    part.stride,
                    Layout::new::<I>(part.input, 0),
                )
            }
            PartKind::Pointwise | PartKind::Dense => {
                let no_bias = vec![0.0; inputs];
                let transposed = |input: usize, output: usize| weight[output * inputs + input];
                let operation = if part.relu && PackedSparse::<I>::pays(outputs, inputs) {
                    Operation::Sparse(PackedSparse::new(isa, &no_bias, outputs, transposed))
                } else {
                    Operation::Pointwise(PackedProduct::new(isa, &no_bias, outputs, transposed))
                };
                (operation, from, 1, Layout::new::<I>(part.input, 0))
            }
        };
        Self {
            part: 0,
            operation,
            relu: part.relu,
            from,
            spread,
            step,
            into,
            residual_starts: false,
            residual_ends: false,
        }
    }
}

/// What a ReLU passes back, spread out to the rows its part's transposed convolution reads.
struct ThroughRelu<'a, I: Isa> {
    relu: bool,
    after: &'a [I::F32],
    beat: &'a [I::F32],
    reference: Option<&'a [I::F32]>,
    /// From the first row on.
    before: &'a mut [I::F32],
    width: usize,
    row_step: usize,
    /// Where it is marked what is not zero of them, and their layout.
    marks: Option<(&'a mut [u64], Layout)>,
}

impl<I: Isa> Kernel<I> for ThroughRelu<'_, I> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let width = self.width;
        let after = self.after.chunks_exact(width);
        let beat = self.beat.chunks_exact(width);
        let mut reference = self.reference.map(|values| values.chunks_exact(width));
        for (row, (after, beat)) in after.zip(beat).enumerate() {
            let before = &mut self.before[row * self.row_step..][..width];
            if !self.relu {
                before.copy_from_slice(after);
                continue;
            }
            match reference.as_mut().and_then(Iterator::next) {
                None => {
                    let zero = isa.splat(0.0);
                    for ((out, &after), &at) in before.iter_mut().zip(after).zip(beat) {
                        *out = isa.where_above(at, zero, after, zero);
                    }
                }
                Some(reference) => {
                    for (((out, &after), &at), &from) in
                        before.iter_mut().zip(after).zip(beat).zip(reference)
                    {
                        *out = isa.multiply(after, slope(isa, at, from));
                    }
                }
            }
            if let Some((marks, layout)) = &mut self.marks {
                for (vector, &value) in before.iter().enumerate() {
                    marks::mark(isa, marks, layout, (0, row, vector), &[value]);
                }
            }
        }
    }
}

/// Slope of the line through a ReLU's graph from `from` to `at`.
#[inline(always)]
fn slope<I: Isa>(isa: I, at: I::F32, from: I::F32) -> I::F32 {
    let zero = isa.splat(0.0);
    let difference = isa.subtract(at, from);
    let rise = isa.subtract(isa.relu(at), isa.relu(from));
    let line = isa.multiply(rise, isa.reciprocal(difference));
    let own = isa.where_above(at, zero, isa.splat(1.0), zero);
    let far = isa.multiply(difference, difference);
    let smallest = isa.splat(SMALLEST_DIFFERENCE * SMALLEST_DIFFERENCE);
    isa.where_above(far, smallest, line, own)
}

struct Add<'a, V> {
    values: &'a [V],
    to: &'a mut [V],
}

impl<I: Isa> Kernel<I> for Add<'_, I::F32> {
    #[inline(always)]
    fn eval(self, isa: I) {
        for (to, &value) in self.to.iter_mut().zip(self.values) {
            *to = isa.add(*to, value);
        }
    }
}

/// Adds what each tap of each output passes back to the sample it read.
fn scatter<I: Isa>(passed: &[I::F32], layout: Layout, part: &Part, waveform: &mut [f32]) {
    waveform.fill(0.0);
    let (inputs, time) = (part.input.channels, part.input.time);
    let padding = part.kernel / 2;
    let rows = scalars::<I>(passed).chunks_exact(layout.width * I::LANES);
    for (output, row) in rows.take(part.output.time).enumerate() {
        for tap in 0..part.kernel {
            let Some(sample) = (output * part.stride + tap).checked_sub(padding) else {
                continue;
            };
            if sample >= time {
                continue;
            }
            for input in 0..inputs {
                waveform[input * time + sample] += row[tap * inputs + input];
            }
        }
    }
}

/// Derivatives with respect to the context: its map is added at every output position.
fn context_back<I: Isa>(before: &[I::F32], layout: Layout, map: &[f32], context: &mut [f32]) {
    context.fill(0.0);
    if context.is_empty() {
        return;
    }
    let rows = &scalars::<I>(before)[layout.at(0, 0) * I::LANES..];
    for (channel, weights) in map.chunks_exact(context.len()).enumerate() {
        let sum: f32 = rows[channel..]
            .iter()
            .step_by(layout.width * I::LANES)
            .take(layout.shape.time)
            .sum();
        for (value, weight) in context.iter_mut().zip(weights) {
            *value += weight * sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::isa::{self, Isa, Kernel, scalars};

    struct Reciprocals<'a, I: Isa>(&'a mut Vec<I::F32>);

    impl<I: Isa> Kernel<I> for Reciprocals<'_, I> {
        #[inline(always)]
        fn eval(self, isa: I) {
            for value in self.0.iter_mut() {
                *value = isa.reciprocal(*value);
            }
        }
    }

    fn failures<I: Isa>(name: &str) -> Vec<String> {
        let Some(isa) = I::detect() else {
            println!("skipped: this processor has no {name}");
            return Vec::new();
        };
        let mut failures = Vec::new();
        for exponent in -30..30 {
            for k in 0..1000_u16 {
                let x = (1.0 + f32::from(k) * 1e-3) * 2.0_f32.powi(exponent);
                for x in [x, -x] {
                    let mut values = vec![isa.splat(x)];
                    isa.run(Reciprocals::<I>(&mut values));
                    let error = (scalars::<I>(&values)[0] * x - 1.0).abs();
                    if error.is_nan() || error >= 3e-7 {
                        failures.push(format!("{name}: {x}: {error}"));
                    }
                }
            }
        }
        failures
    }

    #[test]
    fn reciprocals_are_right_to_3e_7() {
        let mut all = failures::<isa::Portable>("Portable");
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(failures::<isa::Avx2>("Avx2"));
            all.extend(failures::<isa::Avx512>("Avx512"));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(failures::<isa::Neon>("Neon"));
        assert!(all.is_empty(), "{}", all.join("\n"));
    }
}
