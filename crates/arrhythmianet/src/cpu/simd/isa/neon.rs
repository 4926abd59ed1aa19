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

use super::token::{Isa, Kernel, instructions};

/// Proof that this processor has NEON.
#[derive(Clone, Copy)]
pub(in super::super) struct Neon(());

// SAFETY: `float32x4_t` is 4 float32 lanes and nothing else.
unsafe impl Isa for Neon {
    type F32 = float32x4_t;
    type I32 = int32x4_t;
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
        // SAFETY: the token exists only where `detect` found the instructions.
        unsafe { compiled(self, kernel) }
    }

    instructions! {
        splat(value: f32) -> float32x4_t = vdupq_n_f32(value);
        multiply_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t =
            vfmaq_f32(c, a, b);
        add(a: float32x4_t, b: float32x4_t) -> float32x4_t = vaddq_f32(a, b);
        multiply(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmulq_f32(a, b);
        subtract(a: float32x4_t, b: float32x4_t) -> float32x4_t = vsubq_f32(a, b);
        reciprocal(a: float32x4_t) -> float32x4_t = vdivq_f32(vdupq_n_f32(1.0), a);
        unpack(packed: float32x4_t) -> [float32x4_t; 2] = {
            let bits = vreinterpretq_u32_f32(packed);
            [
                vreinterpretq_f32_u32(vshlq_n_u32::<16>(bits)),
                vreinterpretq_f32_u32(vandq_u32(bits, vdupq_n_u32(!0xffff))),
            ]
        };
        // Of a number and no number, the number is taken; so below.
        larger(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmaxnmq_f32(a, b);
        smaller(a: float32x4_t, b: float32x4_t) -> float32x4_t = vminnmq_f32(a, b);
        where_above(
            a: float32x4_t, limit: float32x4_t, then: float32x4_t, otherwise: float32x4_t
        ) -> float32x4_t = vbslq_f32(vcgtq_f32(a, limit), then, otherwise);
        // A lane that is no number counts as not zero.
        nonzero(a: float32x4_t) -> u32 =
            vaddvq_u32(vbicq_u32(vld1q_u32([1, 2, 4, 8].as_ptr()), vceqzq_f32(a)));
        splat_i32(value: i32) -> int32x4_t = vdupq_n_s32(value);
        // The instruction for this (UDOT, SUDOT) is not part of every 64-bit Arm (the Raspberry Pi 4
        // lacks it), so the bytes are widened and multiplied lane by lane.
        dot(sums: int32x4_t, inputs: [u8; 4], weights: int32x4_t) -> int32x4_t = {
            let inputs = vreinterpret_u8_u32(vdup_n_u32(u32::from_le_bytes(inputs)));
            let inputs = vreinterpretq_s16_u16(vmovl_u8(inputs));
            let weights = vreinterpretq_s8_s32(weights);
            let low = vmovl_s8(vget_low_s8(weights));
            let high = vmovl_s8(vget_high_s8(weights));
            let low = vpaddq_s32(
                vmull_s16(vget_low_s16(low), vget_low_s16(inputs)),
                vmull_high_s16(low, inputs),
            );
            let high = vpaddq_s32(
                vmull_s16(vget_low_s16(high), vget_low_s16(inputs)),
                vmull_high_s16(high, inputs),
            );
            vaddq_s32(sums, vpaddq_s32(low, high))
        };
        to_f32(a: int32x4_t) -> float32x4_t = vcvtq_f32_s32(a);
    }
}
