//! NEON (Advanced SIMD) of 64-bit Arm: 32 registers of 4 values.
#![expect(unsafe_code, reason = "processor instructions")]

use std::arch::aarch64::{
    float32x4_t, int32x4_t, vaddq_f32, vaddq_s32, vaddvq_u32, vandq_u32, vbicq_u32, vbslq_f32,
    vceqzq_f32, vcgtq_f32, vcvtq_f32_s32, vdivq_f32, vdup_n_u32, vdupq_n_f32, vdupq_n_s32,
    vdupq_n_u32, vfmaq_f32, vget_high_s8, vget_low_s8, vget_low_s16, vld1q_u32, vmaxnmq_f32,
    vminnmq_f32, vmovl_s8, vmovl_u8, vmull_high_s16, vmull_s16, vmulq_f32, vpaddq_s32,
    vreinterpret_u8_u32, vreinterpretq_f32_u32, vreinterpretq_s8_s32, vreinterpretq_s16_u16,
    vreinterpretq_u32_f32, vshlq_n_u32, vsubq_f32,
};

use super::token::{Isa, Kernel};

/// Proof that this processor has NEON.
#[derive(Clone, Copy)]
pub(in super::super) struct Neon(());

// SAFETY: `float32x4_t` is 4 float32 lanes and nothing else.
unsafe impl Isa for Neon {
    type F32 = float32x4_t;
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    const SKIPS_ZEROS: bool = false;
    const SKIPS_ZERO_BLOCKS: bool = true;

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
    fn subtract(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn reciprocal(self, a: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vdivq_f32(vdupq_n_f32(1.0), a) }
    }

    #[inline(always)]
    fn unpack(self, packed: Self::F32) -> [Self::F32; 2] {
        // SAFETY: as in `run`.
        unsafe {
            let bits = vreinterpretq_u32_f32(packed);
            [
                vreinterpretq_f32_u32(vshlq_n_u32::<16>(bits)),
                vreinterpretq_f32_u32(vandq_u32(bits, vdupq_n_u32(!0xffff))),
            ]
        }
    }

    #[inline(always)]
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vmaxnmq_f32(a, b) }
    }

    #[inline(always)]
    fn smaller(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vminnmq_f32(a, b) }
    }

    #[inline(always)]
    fn where_above(
        self,
        a: Self::F32,
        limit: Self::F32,
        then: Self::F32,
        otherwise: Self::F32,
    ) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vbslq_f32(vcgtq_f32(a, limit), then, otherwise) }
    }

    #[inline(always)]
    fn relu(self, a: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`. Of a number and no number, the number is taken.
        unsafe { vmaxnmq_f32(a, vdupq_n_f32(0.0)) }
    }

    #[inline(always)]
    fn nonzero(self, a: Self::F32) -> u32 {
        // SAFETY: as in `run`. A lane that is no number counts as not zero.
        unsafe {
            let zero = vceqzq_f32(a);
            vaddvq_u32(vbicq_u32(vld1q_u32([1, 2, 4, 8].as_ptr()), zero))
        }
    }

    type I32 = int32x4_t;

    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        // SAFETY: as in `run`.
        unsafe { vdupq_n_s32(value) }
    }

    #[inline(always)]
    fn dot(self, sums: Self::I32, inputs: [u8; 4], weights: Self::I32) -> Self::I32 {
        // SAFETY: as in `run`. The instruction for this (UDOT, SUDOT) is not part of every 64-bit
        // Arm (the Raspberry Pi 4 lacks it), so the bytes are widened and multiplied lane by lane.
        unsafe {
            let inputs = vreinterpret_u8_u32(vdup_n_u32(u32::from_le_bytes(inputs)));
            let inputs = vreinterpretq_s16_u16(vmovl_u8(inputs));
            let weights = vreinterpretq_s8_s32(weights);
            let (low, high) = (
                vmovl_s8(vget_low_s8(weights)),
                vmovl_s8(vget_high_s8(weights)),
            );
            let low = vpaddq_s32(
                vmull_s16(vget_low_s16(low), vget_low_s16(inputs)),
                vmull_high_s16(low, inputs),
            );
            let high = vpaddq_s32(
                vmull_s16(vget_low_s16(high), vget_low_s16(inputs)),
                vmull_high_s16(high, inputs),
            );
            vaddq_s32(sums, vpaddq_s32(low, high))
        }
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { vcvtq_f32_s32(a) }
    }
}
