//! The processor's FMA peak: multiply-adds on registers and nothing else.

use super::isa::{Isa, Kernel};

/// Independent sums, each a dependency chain of its own: two multiply-add units with a latency of
/// four cycles need eight.
const SUMS: usize = 10;

/// Turns of the loop: a fraction of a millisecond.
const TURNS: u32 = 1 << 16;

/// Runs a fixed number of multiply-adds and gives how many floating-point operations they were.
pub(super) fn multiply_adds<I: Isa>(isa: I) -> u64 {
    let mut result = 0.0;
    isa.run(Loop {
        result: &mut result,
    });
    std::hint::black_box(result);
    u64::from(TURNS) * (2 * SUMS * I::LANES) as u64
}

struct Loop<'a> {
    result: &'a mut f32,
}

impl<I: Isa> Kernel<I> for Loop<'_> {
    #[inline(always)]
    fn eval(self, isa: I) {
        // Values the compiler does not know; the sums stay near 1 however many turns there are.
        let factor = isa.splat(std::hint::black_box(0.5));
        let summand = isa.splat(std::hint::black_box(0.5));
        let mut sums = [isa.splat(std::hint::black_box(1.0)); SUMS];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = isa.multiply_add(*sum, factor, summand);
            }
        }
        let mut all = isa.splat(0.0);
        for sum in sums {
            all = isa.add(all, sum);
        }
        *self.result = super::isa::scalars::<I>(&[all]).iter().sum();
    }
}
