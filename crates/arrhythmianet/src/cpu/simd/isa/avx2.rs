//! AVX2 with FMA: 16 registers of 8 values.
#![expect(unsafe_code, reason = "processor instructions")]

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GT_OQ, _CMP_NEQ_UQ, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps,
    _mm256_and_si256, _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmp_ps,
    _mm256_cvtepi32_ps, _mm256_fmadd_ps, _mm256_madd_epi16, _mm256_max_ps, _mm256_min_ps,
    _mm256_movemask_ps, _mm256_mul_ps, _mm256_rcp_ps, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi16, _mm256_slli_epi32, _mm256_srai_epi16,
    _mm256_srli_epi16, _mm256_sub_ps,
};

use super::token::{Isa, Kernel, instructions};

/// Proof that this processor has AVX2 with FMA: 16 registers of 8 values.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(());

// SAFETY: `__m256` is 8 float32 lanes and nothing else.
unsafe impl Isa for Avx2 {
    type F32 = __m256;
    type I32 = __m256i;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    const SKIPS_ZEROS: bool = true;
    const SKIPS_ZERO_BLOCKS: bool = true;

    fn detect() -> Option<Self> {
        // The bit instructions walk through masks; every processor with AVX2 has them.
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }

    fn run<K: Kernel<Self>>(self, kernel: K) {
        #[target_feature(enable = "avx2,fma,bmi1,popcnt")]
        fn compiled<K: Kernel<Avx2>>(isa: Avx2, kernel: K) {
            kernel.eval(isa);
        }
        // SAFETY: the token exists only where `detect` found the instructions.
        unsafe { compiled(self, kernel) }
    }

    instructions! {
        splat(value: f32) -> __m256 = _mm256_set1_ps(value);
        multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        multiply(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        subtract(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        // To 1.5 * 2^-12: a division takes longer.
        reciprocal(a: __m256) -> __m256 = _mm256_rcp_ps(a);
        unpack(packed: __m256) -> [__m256; 2] = {
            let bits = _mm256_castps_si256(packed);
            let upper = _mm256_castsi256_ps(_mm256_set1_epi32(!0xffff));
            [
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits)),
                _mm256_and_ps(packed, upper),
            ]
        };
        // Where a lane is no number, the second operand is taken; so below.
        larger(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
        smaller(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
        where_above(a: __m256, limit: __m256, then: __m256, otherwise: __m256) -> __m256 =
            _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_GT_OQ>(a, limit));
        // A lane that is no number counts as not zero.
        nonzero(a: __m256) -> u32 =
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(a, _mm256_setzero_ps())).cast_unsigned();
        splat_i32(value: i32) -> __m256i = _mm256_set1_epi32(value);
        // Even and odd bytes apart, as 16-bit integers: two products of at most 255 * 128 fit 32 bits,
        // where the instruction for bytes would saturate at 16.
        dot(sums: __m256i, inputs: [u8; 4], weights: __m256i) -> __m256i = {
            let inputs = _mm256_set1_epi32(i32::from_le_bytes(inputs));
            let even = _mm256_madd_epi16(
                _mm256_and_si256(inputs, _mm256_set1_epi16(0xff)),
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights)),
            );
            let odd = _mm256_madd_epi16(
                _mm256_srli_epi16::<8>(inputs),
                _mm256_srai_epi16::<8>(weights),
            );
            _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
        };
        to_f32(a: __m256i) -> __m256 = _mm256_cvtepi32_ps(a);
    }
}
