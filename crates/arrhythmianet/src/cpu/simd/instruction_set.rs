//! The instruction sets, and which of them this processor has.

use super::fma_peak;
use super::isa::{self, Isa};

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
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => isa::Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => isa::Avx2::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => isa::Neon::detect().is_some(),
            Self::Portable => isa::Portable::detect().is_some(),
            #[allow(unreachable_patterns, reason = "some sets belong to other processors")]
            _ => false,
        }
    }

    /// Runs a short loop of multiply-adds on registers, as fast as this processor can with it, and
    /// gives the floating-point operations done (a multiply-add is two); `None` where the processor
    /// lacks it. The caller measures the time.
    #[must_use]
    pub fn multiply_adds(self) -> Option<u64> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => isa::Avx512::detect().map(fma_peak::multiply_adds),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => isa::Avx2::detect().map(fma_peak::multiply_adds),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => isa::Neon::detect().map(fma_peak::multiply_adds),
            Self::Portable => isa::Portable::detect().map(fma_peak::multiply_adds),
            #[allow(unreachable_patterns, reason = "some sets belong to other processors")]
            _ => None,
        }
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
