//! Instruction sets behind one trait: a token of each type exists only where the processor has the
//! instructions, so its operations are safe to call.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod token;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::{Avx512, Avx512Vnni};
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use portable::Portable;
pub(super) use token::{Isa, Kernel, integers_mut, scalars, scalars_mut};

/// Calls a function with the token of every instruction set of the target that this processor has, and
/// the further arguments; says which ones it lacks.
#[cfg(test)]
macro_rules! on_every_isa {
    ($check:ident $(, $argument:expr)*) => {{
        use $crate::cpu::simd::isa::{self, Isa};
        macro_rules! on {
            ($isa:ident) => {
                match isa::$isa::detect() {
                    Some(isa) => $check(isa $(, $argument)*),
                    None => println!("skipped: this processor has no {}", stringify!($isa)),
                }
            };
        }
        on!(Portable);
        #[cfg(target_arch = "x86_64")]
        {
            on!(Avx2);
            on!(Avx512);
            on!(Avx512Vnni);
        }
        #[cfg(target_arch = "aarch64")]
        on!(Neon);
    }};
}
#[cfg(test)]
pub(super) use on_every_isa;
