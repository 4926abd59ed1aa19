//! NEON (Advanced SIMD) of 64-bit Arm: 32 registers of 4 values.
#![expect(unsafe_code, reason = "processor instructions")]

use std::arch::aarch64::{float32x4_t, vaddq_f32, vdupq_n_f32, vfmaq_f32, vmaxnmq_f32, vmulq_f32};

use super::{Isa, Kernel};

/// Proof that this processor has NEON.
#[derive(Clone, Copy)]
pub(in super::super) struct Neon(());

// SAFETY: `float32x4_t` is 4 float32 lanes and nothing else.
unsafe impl Isa for Neon {
    type F32 = float32x4_t;
    const LANES: usize = 4;
    const REGISTERS: usize = 32;

    fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    fn run<K: Kernel<Self>>(self, kernel: K) {
        #[target_feature(enable = "neon")]
        fn compiled<K: Kernel<Neon>>(isa: Neon, kernel: K) {
            kernel.eval(isa);
        }
        // SAFETY: the token exists only where `detect` found the instructions; so below.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn multiply(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn relu(self, a: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`. Of a number and no number, the number is taken.
        unsafe { vmaxnmq_f32(a, vdupq_n_f32(0.0)) }
    }
}
