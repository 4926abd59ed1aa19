//! AVX-512F: 32 registers of 16 values, with VNNI or without.
#![expect(unsafe_code, reason = "processor instructions")]

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GT_OQ, _CMP_NEQ_UQ, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_mask_blend_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_mullo_epi32, _mm512_rcp14_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_slli_epi32, _mm512_sllv_epi32, _mm512_srai_epi32, _mm512_sub_ps,
};

use super::token::{Isa, Kernel, instructions};

/// Proof that this processor has AVX-512F: 32 registers of 16 values.
pub(in super::super) type Avx512 = Avx512With<false>;
/// Proof that it has AVX-512 VNNI, too: four products of bytes per lane in one instruction.
pub(in super::super) type Avx512Vnni = Avx512With<true>;

/// The two above.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512With<const VNNI: bool>(());

// SAFETY: `__m512` is 16 float32 lanes and nothing else.
unsafe impl<const VNNI: bool> Isa for Avx512With<VNNI> {
    type F32 = __m512;
    type I32 = __m512i;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    // Products with VNNI are those of int8 variants, which do not skip.
    const SKIPS_ZEROS: bool = !VNNI;
    const SKIPS_ZERO_BLOCKS: bool = !VNNI;

    fn detect() -> Option<Self> {
        // The bit instructions walk through masks; every processor with AVX-512 has them.
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
            && (!VNNI || is_x86_feature_detected!("avx512vnni"));
        found.then_some(Self(()))
    }

    fn run<K: Kernel<Self>>(self, kernel: K) {
        #[target_feature(enable = "avx512f,bmi1,popcnt")]
        fn compiled<I: Isa>(isa: I, kernel: impl Kernel<I>) {
            kernel.eval(isa);
        }
        #[target_feature(enable = "avx512f,avx512vnni,bmi1,popcnt")]
        fn compiled_with_vnni<I: Isa>(isa: I, kernel: impl Kernel<I>) {
            kernel.eval(isa);
        }
        // SAFETY: the token exists only where `detect` found the instructions.
        unsafe {
            if VNNI {
                compiled_with_vnni(self, kernel);
            } else {
                compiled(self, kernel);
            }
        }
    }

    instructions! {
        splat(value: f32) -> __m512 = _mm512_set1_ps(value);
        multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        multiply(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        subtract(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        // To 2^-14: a division takes longer.
        reciprocal(a: __m512) -> __m512 = _mm512_rcp14_ps(a);
        unpack(packed: __m512) -> [__m512; 2] = {
            let bits = _mm512_castps_si512(packed);
            let upper = _mm512_and_si512(bits, _mm512_set1_epi32(!0xffff));
            [
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)),
                _mm512_castsi512_ps(upper),
            ]
        };
        // Where a lane is no number, the second operand is taken; so below.
        larger(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        smaller(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        where_above(a: __m512, limit: __m512, then: __m512, otherwise: __m512) -> __m512 =
            _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, limit), otherwise, then);
        // A lane that is no number counts as not zero.
        nonzero(a: __m512) -> u32 =
            u32::from(_mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, _mm512_setzero_ps()));
        splat_i32(value: i32) -> __m512i = _mm512_set1_epi32(value);
        dot(sums: __m512i, inputs: [u8; 4], weights: __m512i) -> __m512i = if VNNI {
            let inputs = _mm512_set1_epi32(i32::from_le_bytes(inputs));
            _mm512_dpbusd_epi32(sums, inputs, weights)
        } else {
            let mut sums = sums;
            for (input, shift) in inputs.into_iter().zip([24, 16, 8, 0]) {
                // The byte goes to the top of its lane and back with its sign.
                let top = _mm512_sllv_epi32(weights, _mm512_set1_epi32(shift));
                let weight = _mm512_srai_epi32::<24>(top);
                let product = _mm512_mullo_epi32(weight, _mm512_set1_epi32(i32::from(input)));
                sums = _mm512_add_epi32(sums, product);
            }
            sums
        };
        to_f32(a: __m512i) -> __m512 = _mm512_cvtepi32_ps(a);
    }
}
