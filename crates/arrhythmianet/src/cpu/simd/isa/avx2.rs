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

use super::token::{Isa, Kernel};

/// Proof that this processor has AVX2 with FMA: 16 registers of 8 values.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(());

// SAFETY: `__m256` is 8 float32 lanes and nothing else.
unsafe impl Isa for Avx2 {
    type F32 = __m256;
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
        // SAFETY: the token exists only where `detect` found the instructions; so below.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn multiply(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn subtract(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn reciprocal(self, a: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`. To 1.5 * 2^-12: a division takes longer.
        unsafe { _mm256_rcp_ps(a) }
    }

    #[inline(always)]
    fn unpack(self, packed: Self::F32) -> [Self::F32; 2] {
        // SAFETY: as in `run`.
        unsafe {
            let bits = _mm256_castps_si256(packed);
            let upper = _mm256_castsi256_ps(_mm256_set1_epi32(!0xffff));
            [
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits)),
                _mm256_and_ps(packed, upper),
            ]
        }
    }

    #[inline(always)]
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn smaller(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_min_ps(a, b) }
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
        unsafe { _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_GT_OQ>(a, limit)) }
    }

    #[inline(always)]
    fn relu(self, a: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`. Where a lane is no number, the second operand is taken.
        unsafe { _mm256_max_ps(a, _mm256_setzero_ps()) }
    }

    #[inline(always)]
    fn nonzero(self, a: Self::F32) -> u32 {
        // SAFETY: as in `run`. A lane that is no number counts as not zero.
        let mask =
            unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(a, _mm256_setzero_ps())) };
        mask.cast_unsigned()
    }

    type I32 = __m256i;

    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    fn dot(self, sums: Self::I32, inputs: [u8; 4], weights: Self::I32) -> Self::I32 {
        let inputs = self.splat_i32(i32::from_le_bytes(inputs));
        // SAFETY: as in `run`. Even and odd bytes apart, as 16-bit integers: two products of at
        // most 255 * 128 fit 32 bits, where the instruction for bytes would saturate at 16.
        unsafe {
            let even = _mm256_madd_epi16(
                _mm256_and_si256(inputs, _mm256_set1_epi16(0xff)),
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights)),
            );
            let odd = _mm256_madd_epi16(
                _mm256_srli_epi16::<8>(inputs),
                _mm256_srai_epi16::<8>(weights),
            );
            _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
        }
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm256_cvtepi32_ps(a) }
    }
}
