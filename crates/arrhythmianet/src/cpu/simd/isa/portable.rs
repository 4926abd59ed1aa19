//! No instruction set asked for: arrays, which compilers turn into what every processor of the
//! target has.
#![expect(unsafe_code, reason = "the layout of the array is promised here")]

use super::token::{Isa, Kernel};

/// Always available.
#[derive(Clone, Copy)]
pub(in super::super) struct Portable(());

/// As wide as the vectors of the oldest x86-64 and of 64-bit Arm.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(in super::super) struct Lanes([f32; 4]);

/// As many integers.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(in super::super) struct Integers([i32; 4]);

impl Lanes {
    #[inline(always)]
    fn with(mut self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        for (value, other) in self.0.iter_mut().zip(other.0) {
            *value = operation(*value, other);
        }
        self
    }
}

// SAFETY: `Lanes` is an array of 4 float32 at 16 bytes' alignment, which its size fills.
unsafe impl Isa for Portable {
    type F32 = Lanes;
    const LANES: usize = 4;
    const REGISTERS: usize = 16;
    const SKIPS_ZEROS: bool = false;
    const SKIPS_ZERO_BLOCKS: bool = false;

    fn detect() -> Option<Self> {
        Some(Self(()))
    }

    fn run<K: Kernel<Self>>(self, kernel: K) {
        kernel.eval(self);
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        Lanes([value; 4])
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        self.add(self.multiply(a, b), c)
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        a.with(b, |a, b| a + b)
    }

    #[inline(always)]
    fn multiply(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        a.with(b, |a, b| a * b)
    }

    #[inline(always)]
    fn subtract(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        a.with(b, |a, b| a - b)
    }

    #[inline(always)]
    fn reciprocal(self, a: Self::F32) -> Self::F32 {
        a.with(a, |a, _| 1.0 / a)
    }

    #[inline(always)]
    fn unpack(self, packed: Self::F32) -> [Self::F32; 2] {
        [
            packed.with(packed, |a, _| f32::from_bits(a.to_bits() << 16)),
            packed.with(packed, |a, _| f32::from_bits(a.to_bits() & !0xffff)),
        ]
    }

    #[inline(always)]
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        a.with(b, f32::max)
    }

    #[inline(always)]
    fn smaller(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        a.with(b, f32::min)
    }

    #[inline(always)]
    fn where_above(
        self,
        a: Self::F32,
        limit: Self::F32,
        mut then: Self::F32,
        otherwise: Self::F32,
    ) -> Self::F32 {
        let lanes = a.0.into_iter().zip(limit.0).zip(otherwise.0);
        for (value, ((a, limit), otherwise)) in then.0.iter_mut().zip(lanes) {
            if a.partial_cmp(&limit) != Some(std::cmp::Ordering::Greater) {
                *value = otherwise;
            }
        }
        then
    }

    #[inline(always)]
    fn nonzero(self, a: Self::F32) -> u32 {
        let lanes = a.0.into_iter().enumerate();
        lanes.fold(0, |mask, (lane, value)| {
            mask | u32::from(value != 0.0) << lane
        })
    }

    type I32 = Integers;

    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        Integers([value; 4])
    }

    #[inline(always)]
    fn dot(self, mut sums: Self::I32, inputs: [u8; 4], weights: Self::I32) -> Self::I32 {
        for (sum, weights) in sums.0.iter_mut().zip(weights.0) {
            for (input, weight) in inputs.into_iter().zip(weights.to_le_bytes()) {
                *sum += i32::from(input) * i32::from(weight.cast_signed());
            }
        }
        sums
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        Lanes(a.0.map(|value| value as f32))
    }
}
