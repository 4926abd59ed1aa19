//! Faults with their times.

use crate::frame::FRAME_BYTES;
use crate::registers::{Electrode, Register};

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// DRDY does not fall for a conversion.
    MissedDrdy,
    /// Bits of the frame inverted: one bits of this mask.
    FlipBits([u8; FRAME_BYTES]),
    /// A channel at full scale.
    Clip {
        /// 0 or 1; others do nothing.
        channel: usize,
    },
    /// A channel's input carries nothing.
    Flat {
        /// 0 or 1; others do nothing.
        channel: usize,
    },
    /// Noise on top of whatever a channel measures.
    Noise {
        /// 0 or 1; others do nothing.
        channel: usize,
        /// Its peak, microvolts.
        peak_uv: u32,
    },
    /// Bits of a register inverted, once.
    CorruptRegister {
        /// The register.
        register: Register,
        /// The bits.
        mask: u8,
    },
    /// Conversions come too slowly.
    SlowClock {
        /// By this much, 0 to 1000.
        percent: u32,
    },
    /// An electrode comes off.
    LeadOff(Electrode),
    /// An electrode is put on again.
    LeadOn(Electrode),
    /// Bits inverted whenever this register is read.
    FlipRegister {
        /// The register.
        register: Register,
        /// The bits.
        mask: u8,
    },
    /// The supply goes and comes back.
    BrownOut,
    /// The host's GPU goes away; the chip knows nothing of it.
    GpuLost,
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptedFault {
    /// When it happens, virtual nanoseconds since power-up.
    pub at_ns: u64,
    /// What happens.
    pub fault: Fault,
    /// How long it lasts; see the module's table for `None`.
    pub duration_ns: Option<u64>,
}

/// Faults with their times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultScript {
    faults: Vec<ScriptedFault>,
}

impl FaultScript {
    /// A script of these faults, in any order.
    #[must_use]
    pub fn new(faults: Vec<ScriptedFault>) -> Self {
        Self { faults }
    }

    /// The faults, as given.
    #[must_use]
    pub fn faults(&self) -> &[ScriptedFault] {
        &self.faults
    }

    /// All beginnings and ends in the order they happen; at one instant ends come first.
    pub(crate) fn timeline(&self) -> Vec<(u64, Change)> {
        let mut timeline = Vec::with_capacity(self.faults.len() * 2);
        for it in &self.faults {
            let duration_ns = match it.fault {
                Fault::BrownOut => it.duration_ns.or(Some(0)),
                _ => it.duration_ns,
            };
            match (it.fault, duration_ns) {
                (Fault::GpuLost, _) => {}
                (Fault::LeadOn(electrode), _) => {
                    timeline.push((it.at_ns, Change::End(Fault::LeadOff(electrode))));
                }
                (Fault::CorruptRegister { .. }, _)
                | (Fault::MissedDrdy | Fault::FlipBits(_) | Fault::Clip { .. }, None) => {
                    timeline.push((it.at_ns, Change::Once(it.fault)));
                }
                (fault, duration_ns) => {
                    timeline.push((it.at_ns, Change::Begin(fault)));
                    let end = duration_ns.map(|ns| it.at_ns.saturating_add(ns));
                    timeline.extend(end.map(|end_ns| (end_ns, Change::End(fault))));
                }
            }
        }
        // An end sorts before a beginning of the same instant, except that an instantaneous
        // brown-out has both and must begin before it ends.
        timeline.sort_by_key(|&(at_ns, change)| {
            let rank = match change {
                Change::End(Fault::BrownOut) => 2,
                Change::End(_) => 0,
                Change::Begin(_) | Change::Once(_) => 1,
            };
            (at_ns, rank)
        });
        timeline
    }
}

/// What happens to a fault at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Begin(Fault),
    End(Fault),
    /// Holds for the next conversion alone.
    Once(Fault),
}
