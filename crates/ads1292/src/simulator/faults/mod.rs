//! Faults by script.
//!
//! The text form has one fault a line:
//!
//! ```text
//! at TIME FAULT [for TIME]
//! ```
//!
//! `TIME` is a decimal number with a unit, `s`, `ms`, `us` or `ns`, counted from power-up. `#`
//! starts a comment; empty lines are skipped. The faults:
//!
//! | fault | effect | without `for` |
//! | --- | --- | --- |
//! | `missed-drdy` | conversions go on, DRDY does not fall | one conversion |
//! | `flip-bits N[,N...]` | these bits of the frame are inverted, 0 first sent, 71 last | one conversion |
//! | `clip ch1` or `clip ch2` | the channel sits at full scale, on the side its signal is | one conversion |
//! | `flat ch1` or `flat ch2` | the channel's input carries nothing | for good |
//! | `noise CHANNEL MICROVOLTS` | that much noise (peak) on the channel, whatever its input | for good |
//! | `lead-off ELECTRODE` | `in1p`, `in1n`, `in2p`, `in2n` or `rld` is off | until `lead-on` |
//! | `lead-on ELECTRODE` | it is on again (takes no `for`) | |
//! | `flip-register NAME MASK` | RREG of the register comes back with these bits inverted | for good |
//! | `corrupt-register NAME MASK` | these bits of the register are inverted, once; writing it mends it (takes no `for`) | |
//! | `slow-clock PERCENT` | conversions, started anew, come that much too slowly | for good |
//! | `brown-out` | the supply is gone, then the chip powers up with reset registers | an instant |
//! | `gpu-lost` | none on the chip: whoever classifies loses its GPU (takes no `for`) | |
//!
//! Windows of one fault are not counted: where two overlap, the first end ends both.

mod script;
mod text;

pub(crate) use script::Change;
pub use script::{Fault, FaultScript, ScriptedFault};
pub use text::{FaultScriptError, parse_time_ns};
