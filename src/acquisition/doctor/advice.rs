//! What to do about a step that failed.

pub(super) const TRANSFER: &str = "the transfer itself failed: check spi_path and that nothing else \
    uses the bus, and the lines start_line and reset_line";
pub(super) const UNSTABLE: &str = "the bus is disturbed: shorten the wires, join the grounds, lower \
    spi_speed_hz, and check that no other chip answers at the same chip select";
pub(super) const OTHER_PART: &str = "set [device] chip to the part on the board, or to \"any\"";
pub(super) const ALL_ZERO: &str = "check the supply and DVDD, that PWDN/RESET is high (reset_line), \
    the wires of MISO (DOUT) and SCLK, and that MISO is not shorted to ground";
pub(super) const ALL_ONE: &str = "MISO (DOUT) is not driven: check the chip select (the node's number \
    and its wire), SCLK and the wire of MISO itself";
pub(super) const UNKNOWN_ID: &str = "another part answers, or bits are lost: check the part, then \
    lower spi_speed_hz";
pub(super) const READ_BACK: &str = "MISO works and MOSI does not, or not always: check the wire of \
    MOSI (DIN), lower spi_speed_hz, and look at the supply under load";
pub(super) const SILENT: &str = "check the wire of DRDY and drdy_line (an offset on gpio_chip, not a \
    pin of the header), and START: its wire and start_line, or \"none\" where it is tied";
pub(super) const RATE: &str = "the chip's clock is not the one expected: check CLKSEL (high for the \
    internal oscillator), an external clock of 512 kHz, and that drdy_line is DRDY";
pub(super) const LOST_EDGES: &str = "the machine is late for DRDY: let the service have real-time \
    priority ([realtime]), raise spi_speed_hz, or take a lower sample rate";
pub(super) const FRAMES: &str = "data bits are lost: lower spi_speed_hz, shorten the wires, join the \
    grounds, and check that DIN stays low while data is read";
pub(super) const AMPLITUDE: &str = "the reference or the supply is off: measure VREFP (2.42 V or 4.033 V \
    as configured), its capacitor, and AVDD (2.7 V at least for 2.42 V, 5 V for 4.033 V)";
pub(super) const FREQUENCY: &str = "the chip's clock is not the one expected: check CLKSEL and an \
    external clock";
pub(super) const NOISE: &str = "the supply or the ground is noisy: check the decoupling of AVDD, DVDD \
    and VCAP1/VCAP2, and move digital wires and switching supplies away";
pub(super) const ELECTRODE_OFF: &str = "attach the electrode; if it is, check its wire and the resistor in \
    it, and lead_off_threshold_percent";
pub(super) const ELECTRODE_ON: &str = "the detection never changes: check lead_off_detection, the \
    lead-off current, and that the electrode's wire is not tied to another one";
