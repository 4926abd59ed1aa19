//! Faults in force.

use super::analog::Disturbance;
use super::faults::Fault;
use crate::frame::FRAME_BYTES;
use crate::registers::REGISTER_COUNT;

/// Faults that hold now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ActiveFaults {
    pub(super) missed_drdy: bool,
    pub(super) flip: [u8; FRAME_BYTES],
    pub(super) disturbance: Disturbance,
    pub(super) register_flips: [u8; REGISTER_COUNT],
    /// Percent by which conversions come too slowly.
    pub(super) slow_percent: u32,
}

impl ActiveFaults {
    /// Begins or ends a fault. A brown-out is the chip's own business.
    pub(super) fn set(&mut self, fault: Fault, holds: bool) {
        match fault {
            Fault::MissedDrdy => self.missed_drdy = holds,
            Fault::FlipBits(mask) => self.flip = if holds { mask } else { [0; FRAME_BYTES] },
            Fault::Clip { channel } => {
                if let Some(clipped) = self.disturbance.clipped.get_mut(channel) {
                    *clipped = holds;
                }
            }
            Fault::Flat { channel } => {
                if let Some(flat) = self.disturbance.flat.get_mut(channel) {
                    *flat = holds;
                }
            }
            Fault::Noise { channel, peak_uv } => {
                if let Some(peak) = self.disturbance.noise_peak_uv.get_mut(channel) {
                    *peak = if holds { f64::from(peak_uv) } else { 0.0 };
                }
            }
            Fault::SlowClock { percent } => self.slow_percent = if holds { percent } else { 0 },
            Fault::LeadOff(electrode) => {
                let off = &mut self.disturbance.electrodes_off;
                if holds {
                    *off |= electrode.status_bit();
                } else {
                    *off &= !electrode.status_bit();
                }
            }
            Fault::LeadOn(electrode) => {
                self.disturbance.electrodes_off &= !electrode.status_bit();
            }
            Fault::FlipRegister { register, mask } => {
                if let Some(flips) = self.register_flips.get_mut(usize::from(register.address())) {
                    *flips = if holds { mask } else { 0 };
                }
            }
            Fault::BrownOut | Fault::GpuLost | Fault::CorruptRegister { .. } => {}
        }
    }
}
