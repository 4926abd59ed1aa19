//! AVX-512F: 32 registers of 16 values.
#![expect(unsafe_code, reason = "processor instructions")]

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GT_OQ, _CMP_NEQ_UQ, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps,
    _mm512_fmadd_ps, _mm512_mask_blend_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_mullo_epi32, _mm512_rcp14_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_sllv_epi32, _mm512_srai_epi32, _mm512_sub_ps,
};

use super::token::{Isa, Kernel};

/// Proof that this processor has AVX-512F: 32 registers of 16 values.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(());

// SAFETY: `__m512` is 16 float32 lanes and nothing else.
unsafe impl Isa for Avx512 {
    type F32 = __m512;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    const SKIPS_ZEROS: bool = true;
    const SKIPS_ZERO_BLOCKS: bool = true;

    fn detect() -> Option<Self> {
        // The bit instructions walk through masks; every processor with AVX-512 has them.
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }

    fn run<K: Kernel<Self>>(self, kernel: K) {
        #[target_feature(enable = "avx512f,bmi1,popcnt")]
        fn compiled<K: Kernel<Avx512>>(isa: Avx512, kernel: K) {
            kernel.eval(isa);
        }
        // SAFETY: the token exists only where `detect` found the instructions; so below.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn multiply(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn subtract(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn reciprocal(self, a: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`. To 2^-14: a division takes longer.
        unsafe { _mm512_rcp14_ps(a) }
    }

    #[inline(always)]
    fn unpack(self, packed: Self::F32) -> [Self::F32; 2] {
        // SAFETY: as in `run`.
        unsafe {
            let bits = _mm512_castps_si512(packed);
            let upper = _mm512_and_si512(bits, _mm512_set1_epi32(!0xffff));
            [
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)),
                _mm512_castsi512_ps(upper),
            ]
        }
    }

    #[inline(always)]
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn smaller(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_min_ps(a, b) }
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
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, limit);
            _mm512_mask_blend_ps(above, otherwise, then)
        }
    }

    #[inline(always)]
    fn relu(self, a: Self::F32) -> Self::F32 {
        // SAFETY: as in `run`. Where a lane is no number, the second operand is taken.
        unsafe { _mm512_max_ps(a, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    fn nonzero(self, a: Self::F32) -> u32 {
        // SAFETY: as in `run`. A lane that is no number counts as not zero.
        let mask = unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, _mm512_setzero_ps()) };
        u32::from(mask)
    }

    type I32 = __m512i;

    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    fn dot(self, sums: Self::I32, inputs: [u8; 4], weights: Self::I32) -> Self::I32 {
        let mut sums = sums;
        for (input, shift) in inputs.into_iter().zip([24, 16, 8, 0]) {
            // SAFETY: as in `run`. The byte goes to the top of its lane and back with its sign.
            unsafe {
                let top = _mm512_sllv_epi32(weights, _mm512_set1_epi32(shift));
                let weight = _mm512_srai_epi32::<24>(top);
                let product = _mm512_mullo_epi32(weight, _mm512_set1_epi32(i32::from(input)));
                sums = _mm512_add_epi32(sums, product);
            }
        }
        sums
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        // SAFETY: as in `run`.
        unsafe { _mm512_cvtepi32_ps(a) }
    }
}
