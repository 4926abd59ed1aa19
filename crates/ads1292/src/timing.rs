//! The datasheet's times, as the waits the driver makes and the simulator demands.
//!
//! Waits are computed from the slowest clock the part may have, so they hold for every part;
//! nominal times (what DRDY follows) come from the nominal 512 kHz.

/// Nominal master clock with `CLK_DIV` = 0 (SBAS502C, section "Clock").
pub const NOMINAL_CLOCK_HZ: u32 = 512_000;

/// Slowest master clock period (SBAS502C, section 6.6 "Timing Requirements": tCLK at most 2170 ns
/// with `CLK_DIV` = 0).
pub const T_CLK_MAX_NS: u32 = 2_170;

/// Modulator periods: fMOD = fCLK / 4 (SBAS502C, section 8.3.4.3 "ADC ΔΣ Modulator").
pub const CLOCKS_PER_MODULATOR_PERIOD: u32 = 4;

/// tSDECODE: a command byte takes 4 tCLK to decode; the next one may not end sooner (SBAS502C,
/// section 6.6 "Timing Requirements" and section "Sending Multi-Byte Commands").
pub const T_SDECODE_NS: u32 = 4 * T_CLK_MAX_NS;

/// tCSH: CS stays high at least 2 tCLK between transactions that carry commands (SBAS502C, section
/// 6.6 "Timing Requirements").
pub const T_CSH_NS: u32 = 2 * T_CLK_MAX_NS;

/// Power-on reset: 2^12 tMOD from stable supplies to the reset pulse (SBAS502C, section 10.1
/// "Power-Up Sequencing").
pub const T_POR_NS: u32 = 4_096 * CLOCKS_PER_MODULATOR_PERIOD * T_CLK_MAX_NS;

/// Width of the reset pulse. The datasheet's power-up table asks for one clock period; one whole
/// modulator period is as cheap and safely longer.
pub const T_RESET_PULSE_NS: u32 = CLOCKS_PER_MODULATOR_PERIOD * T_CLK_MAX_NS;

/// 18 tCLK from the rising edge of the reset pin to the first command (SBAS502C, section "Reset
/// (RESET)").
pub const T_AFTER_RESET_PIN_NS: u32 = 18 * T_CLK_MAX_NS;

/// The RESET opcode takes 9 modulator periods, in which no command may be sent (SBAS502C, section
/// "RESET: Reset Registers to Default Values").
pub const T_AFTER_RESET_OPCODE_NS: u32 = 9 * CLOCKS_PER_MODULATOR_PERIOD * T_CLK_MAX_NS;

/// Start-up time of the internal reference (SBAS502C, section 6.5 "Electrical Characteristics",
/// internal reference: 150 ms).
pub const T_REFERENCE_START_UP_NS: u32 = 150_000_000;

/// Nominal 4 tCLK, the decode time a part at exactly 512 kHz needs (7812.5 ns, rounded down).
pub const NOMINAL_T_SDECODE_NS: u64 = 7_812;

/// Nominal time of 4 modulator periods. Every nominal chip time the simulator needs is a whole
/// multiple of it, which keeps virtual time exact.
pub const NOMINAL_FOUR_T_MOD_NS: u64 = 31_250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nominal_times_follow_from_the_nominal_clock() {
        let t_clk_ns = 1e9 / f64::from(NOMINAL_CLOCK_HZ);
        assert!((NOMINAL_T_SDECODE_NS as f64 - 4.0 * t_clk_ns).abs() < 1.0);
        let four_t_mod_ns = 4.0 * f64::from(CLOCKS_PER_MODULATOR_PERIOD) * t_clk_ns;
        assert!((NOMINAL_FOUR_T_MOD_NS as f64 - four_t_mod_ns).abs() < 1e-6);
    }

    #[test]
    fn waits_cover_the_nominal_clock_too() {
        assert!(u64::from(T_SDECODE_NS) > NOMINAL_T_SDECODE_NS);
        assert!(u64::from(T_POR_NS) > 1_024 * NOMINAL_FOUR_T_MOD_NS);
    }
}
