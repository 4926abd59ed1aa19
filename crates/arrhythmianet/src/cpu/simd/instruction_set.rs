//! The instruction sets, and which of them this processor has.

use super::fma_peak;

/// What `$with` makes of the token of `$set`, a [`CpuIsa`]; `None` where this processor lacks it.
macro_rules! on_isa {
    ($set:expr, $isa:ident => $with:expr) => {{
        use $crate::cpu::simd::isa::{self, Isa as _};
        match $set {
            #[cfg(target_arch = "x86_64")]
            CpuIsa::Avx512 => isa::Avx512::detect().map(|$isa| $with),
            #[cfg(target_arch = "x86_64")]
            CpuIsa::Avx2 => isa::Avx2::detect().map(|$isa| $with),
            #[cfg(target_arch = "aarch64")]
            CpuIsa::Neon => isa::Neon::detect().map(|$isa| $with),
            CpuIsa::Portable => isa::Portable::detect().map(|$isa| $with),
            #[allow(unreachable_patterns, reason = "some sets belong to other processors")]
            _ => None,
        }
    }};
}
pub(super) use on_isa;

/// Instruction sets the kernels are compiled for, fastest first. All names exist on every
/// processor; [`CpuIsa::is_available`] says which can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuIsa {
    /// AVX-512F of x86-64.
    Avx512,
    /// AVX2 and FMA of x86-64.
    Avx2,
    /// NEON of 64-bit Arm.
    Neon,
    /// What every processor of the target has.
    Portable,
}

impl CpuIsa {
    /// All of them, fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// The fastest one this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL
            .into_iter()
            .find(|isa| isa.is_available())
            .unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        on_isa!(self, _isa => ()).is_some()
    }

    /// Runs a short loop of multiply-adds on registers, as fast as this processor can with it, and
    /// gives the floating-point operations done (a multiply-add is two); `None` where the processor
    /// lacks it. The caller measures the time.
    #[must_use]
    pub fn multiply_adds(self) -> Option<u64> {
        on_isa!(self, isa => fma_peak::multiply_adds(isa))
    }

    /// Name of the engine that uses it, e.g. `cpu-avx512`.
    #[must_use]
    pub const fn engine(self) -> &'static str {
        match self {
            Self::Avx512 => "cpu-avx512",
            Self::Avx2 => "cpu-avx2",
            Self::Neon => "cpu-neon",
            Self::Portable => "cpu-portable",
        }
    }
}
