//! AVX-512 with VNNI: four products of bytes a lane in one instruction.
#![expect(unsafe_code, reason = "processor instructions")]

use std::arch::x86_64::_mm512_dpbusd_epi32;

use super::avx512::Avx512;
use super::token::{Isa, Kernel};

/// Proof that this processor has AVX-512F and AVX-512 VNNI.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512Vnni(Avx512);

// SAFETY: the vectors are those of `Avx512`.
unsafe impl Isa for Avx512Vnni {
    type F32 = <Avx512 as Isa>::F32;
    const LANES: usize = Avx512::LANES;
    const REGISTERS: usize = Avx512::REGISTERS;
    // Its products are those of int8 variants, which do not skip.
    const SKIPS_ZEROS: bool = false;
    const SKIPS_ZERO_BLOCKS: bool = false;

    fn detect() -> Option<Self> {
        let base = Avx512::detect()?;
        is_x86_feature_detected!("avx512vnni").then_some(Self(base))
    }

    fn run<K: Kernel<Self>>(self, kernel: K) {
        #[target_feature(enable = "avx512f,avx512vnni,bmi1,popcnt")]
        fn compiled<K: Kernel<Avx512Vnni>>(isa: Avx512Vnni, kernel: K) {
            kernel.eval(isa);
        }
        // SAFETY: the token exists only where `detect` found the instructions; so below.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        self.0.splat(value)
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        self.0.multiply_add(a, b, c)
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.0.add(a, b)
    }

    #[inline(always)]
    fn multiply(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.0.multiply(a, b)
    }

    #[inline(always)]
    fn subtract(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.0.subtract(a, b)
    }

    #[inline(always)]
    fn reciprocal(self, a: Self::F32) -> Self::F32 {
        self.0.reciprocal(a)
    }

    #[inline(always)]
    fn unpack(self, packed: Self::F32) -> [Self::F32; 2] {
        self.0.unpack(packed)
    }

    #[inline(always)]
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.0.larger(a, b)
    }

    #[inline(always)]
    fn smaller(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.0.smaller(a, b)
    }

    #[inline(always)]
    fn where_above(
        self,
        a: Self::F32,
        limit: Self::F32,
        then: Self::F32,
        otherwise: Self::F32,
    ) -> Self::F32 {
        self.0.where_above(a, limit, then, otherwise)
    }

    #[inline(always)]
    fn relu(self, a: Self::F32) -> Self::F32 {
        self.0.relu(a)
    }

    #[inline(always)]
    fn nonzero(self, a: Self::F32) -> u32 {
        self.0.nonzero(a)
    }

    type I32 = <Avx512 as Isa>::I32;

    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        self.0.splat_i32(value)
    }

    #[inline(always)]
    fn dot(self, sums: Self::I32, inputs: [u8; 4], weights: Self::I32) -> Self::I32 {
        let inputs = self.splat_i32(i32::from_le_bytes(inputs));
        // SAFETY: as in `run`.
        unsafe { _mm512_dpbusd_epi32(sums, inputs, weights) }
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        self.0.to_f32(a)
    }
}
