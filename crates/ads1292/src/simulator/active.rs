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
            Fault::Clip { channel } => put(&mut self.disturbance.clipped, channel, holds),
            Fault::Flat { channel } => put(&mut self.disturbance.flat, channel, holds),
            Fault::Noise { channel, peak_uv } => {
                let peak_uv = if holds { f64::from(peak_uv) } else { 0.0 };
                put(&mut self.disturbance.noise_peak_uv, channel, peak_uv);
            }
            Fault::SlowClock { percent } => self.slow_percent = if holds { percent } else { 0 },
            Fault::LeadOff(electrode) if holds => {
                self.disturbance.electrodes_off |= electrode.status_bit();
            }
            Fault::LeadOff(electrode) | Fault::LeadOn(electrode) => {
                self.disturbance.electrodes_off &= !electrode.status_bit();
            }
            Fault::FlipRegister { register, mask } => {
                let mask = if holds { mask } else { 0 };
                put(&mut self.register_flips, register.address().into(), mask);
            }
            Fault::BrownOut | Fault::GpuLost | Fault::CorruptRegister { .. } => {}
        }
    }
}

/// Puts a value in its place, where there is one.
fn put<T>(places: &mut [T], place: usize, value: T) {
    if let Some(old) = places.get_mut(place) {
        *old = value;
    }
}
