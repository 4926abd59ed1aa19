//! The text form of a fault script; the grammar is in the parent module's description.

use core::fmt;
use core::str::FromStr;

use super::script::{Fault, FaultScript, ScriptedFault};
use crate::frame::FRAME_BYTES;
use crate::registers::{Electrode, Register};

/// A fault script that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultScriptError {
    /// Line, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for FaultScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault script, line {}: {}", self.line, self.reason)
    }
}

impl core::error::Error for FaultScriptError {}

impl FromStr for FaultScript {
    type Err = FaultScriptError;

    fn from_str(text: &str) -> Result<Self, FaultScriptError> {
        let mut faults = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<&str> = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            if words.is_empty() {
                continue;
            }
            faults.push(parse_line(&words).map_err(|reason| FaultScriptError {
                line: number + 1,
                reason,
            })?);
        }
        Ok(Self::new(faults))
    }
}

/// The faults and what follows their names.
const FAULTS: [(&str, &str); 12] = [
    ("missed-drdy", "takes nothing but `for TIME`"),
    ("flip-bits", "takes bit numbers such as `0,5,71`"),
    ("clip", "takes ch1 or ch2"),
    ("flat", "takes ch1 or ch2"),
    ("noise", "takes ch1 or ch2 and microvolts such as `ch1 50`"),
    ("lead-off", TAKES_ELECTRODE),
    ("lead-on", TAKES_ELECTRODE),
    ("flip-register", TAKES_MASK),
    ("corrupt-register", TAKES_MASK),
    ("slow-clock", "takes percent"),
    ("brown-out", "takes nothing but `for TIME`"),
    ("gpu-lost", "takes nothing"),
];
const TAKES_ELECTRODE: &str = "takes an electrode: in1p, in1n, in2p, in2n or rld";
const TAKES_MASK: &str = "takes a register and a mask such as `LOFF 0x04`";

fn parse_line(words: &[&str]) -> Result<ScriptedFault, String> {
    let ["at", at, name, rest @ ..] = words else {
        return Err(format!(
            "`{}` is not of the form `at TIME FAULT [for TIME]`",
            words.join(" ")
        ));
    };
    let at_ns = parse_time_ns(at)?;
    let (arguments, duration_ns) = match rest {
        [arguments @ .., "for", duration] => (arguments, Some(parse_time_ns(duration)?)),
        arguments => (arguments, None),
    };
    let channel = arguments.first().and_then(|name| channel(name));
    let fault = match (*name, arguments, channel) {
        ("missed-drdy", [], _) => Fault::MissedDrdy,
        ("flip-bits", [bits], _) => Fault::FlipBits(parse_bits(bits)?),
        ("clip", [_], Some(channel)) => Fault::Clip { channel },
        ("flat", [_], Some(channel)) => Fault::Flat { channel },
        ("noise", [_, peak], Some(channel)) => Fault::Noise {
            channel,
            peak_uv: parse_number(peak, 100_000)?,
        },
        ("slow-clock", [percent], _) => Fault::SlowClock {
            percent: parse_number(percent, 1_000)?,
        },
        ("lead-off", [electrode], _) => Fault::LeadOff(parse_electrode(electrode)?),
        ("lead-on", [electrode], _) => Fault::LeadOn(parse_electrode(electrode)?),
        ("flip-register", [register, mask], _) => Fault::FlipRegister {
            register: parse_register(register)?,
            mask: parse_mask(mask)?,
        },
        ("corrupt-register", [register, mask], _) => Fault::CorruptRegister {
            register: parse_register(register)?,
            mask: parse_mask(mask)?,
        },
        ("brown-out", [], _) => Fault::BrownOut,
        ("gpu-lost", [], _) => Fault::GpuLost,
        _ => return Err(refusal(name)),
    };
    if duration_ns.is_some()
        && matches!(
            fault,
            Fault::LeadOn(_) | Fault::GpuLost | Fault::CorruptRegister { .. }
        )
    {
        return Err(format!("{name} takes no `for`"));
    }
    Ok(ScriptedFault {
        at_ns,
        fault,
        duration_ns,
    })
}

/// Why `name` with what follows it is no fault.
fn refusal(name: &str) -> String {
    if let Some((_, takes)) = FAULTS.iter().find(|(known, _)| *known == name) {
        return format!("{name} {takes}");
    }
    let [names @ .., last] = FAULTS.map(|(name, _)| name);
    let names = names.join(", ");
    format!("`{name}` is no fault; expected {names} or {last}")
}

fn channel(name: &str) -> Option<usize> {
    ["ch1", "ch2"].iter().position(|known| *known == name)
}

fn parse_register(name: &str) -> Result<Register, String> {
    Register::from_name(name).ok_or_else(|| format!("`{name}` is not a register"))
}

fn parse_number(word: &str, most: u32) -> Result<u32, String> {
    word.parse()
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| format!("`{word}` is no whole number 0 to {most}"))
}

fn parse_electrode(name: &str) -> Result<Electrode, String> {
    Electrode::from_name(name)
        .ok_or_else(|| format!("`{name}` is no electrode; expected in1p, in1n, in2p, in2n or rld"))
}

fn parse_bits(list: &str) -> Result<[u8; FRAME_BYTES], String> {
    let mut mask = [0; FRAME_BYTES];
    for word in list.split(',') {
        let byte = word
            .parse::<usize>()
            .ok()
            .and_then(|bit| mask.get_mut(bit / 8).map(|byte| (byte, bit % 8)));
        match byte {
            Some((byte, bit)) => *byte |= 0x80 >> bit,
            None => return Err(format!("`{word}` is no bit of a frame; expected 0 to 71")),
        }
    }
    Ok(mask)
}

fn parse_mask(word: &str) -> Result<u8, String> {
    let digits = word.strip_prefix("0x");
    digits
        .map_or_else(|| word.parse(), |hex| u8::from_str_radix(hex, 16))
        .map_err(|_| format!("`{word}` is no mask; expected 0x00 to 0xff"))
}

/// A time of a fault script in nanoseconds: a decimal number with unit, exact to the nanosecond.
///
/// # Errors
/// A sentence that says what was found and expected.
pub fn parse_time_ns(word: &str) -> Result<u64, String> {
    let wrong = || format!("`{word}` is no time; expected such as 2.5s, 40ms, 10us or 500ns");
    let unit_at = word
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = word.split_at(unit_at);
    let unit_digits = match unit {
        "s" => 9,
        "ms" => 6,
        "us" => 3,
        "ns" => 0,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || !all_digits(whole)
        || !all_digits(fraction)
        || fraction.len() > unit_digits
    {
        return Err(wrong());
    }
    format!("{whole}{fraction:0<unit_digits$}")
        .parse()
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl fmt::Display for ScriptedFault {
        /// The text form.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at {}ns ", self.at_ns)?;
            match self.fault {
                Fault::MissedDrdy => f.write_str("missed-drdy")?,
                Fault::FlipBits(mask) => {
                    let bits: Vec<String> = (0..FRAME_BYTES * 8)
                        .filter(|bit| mask[bit / 8] & (0x80 >> (bit % 8)) != 0)
                        .map(|bit| bit.to_string())
                        .collect();
                    write!(f, "flip-bits {}", bits.join(","))?;
                }
                Fault::Clip { channel } => write!(f, "clip ch{}", channel + 1)?,
                Fault::Flat { channel } => write!(f, "flat ch{}", channel + 1)?,
                Fault::Noise { channel, peak_uv } => {
                    write!(f, "noise ch{} {peak_uv}", channel + 1)?;
                }
                Fault::SlowClock { percent } => write!(f, "slow-clock {percent}")?,
                Fault::CorruptRegister { register, mask } => {
                    write!(f, "corrupt-register {register} {mask:#04x}")?;
                }
                Fault::LeadOff(electrode) => write!(f, "lead-off {electrode}")?,
                Fault::LeadOn(electrode) => write!(f, "lead-on {electrode}")?,
                Fault::FlipRegister { register, mask } => {
                    write!(f, "flip-register {register} {mask:#04x}")?;
                }
                Fault::BrownOut => f.write_str("brown-out")?,
                Fault::GpuLost => f.write_str("gpu-lost")?,
            }
            if let Some(duration_ns) = self.duration_ns {
                write!(f, " for {duration_ns}ns")?;
            }
            Ok(())
        }
    }

    #[test]
    fn every_fault_has_its_line() {
        let table = [
            (
                "at 2.5s lead-off in2n for 1s",
                Fault::LeadOff(Electrode::In2N),
                2_500_000_000,
                Some(1_000_000_000),
            ),
            (
                "at 3s lead-on in2n",
                Fault::LeadOn(Electrode::In2N),
                3_000_000_000,
                None,
            ),
            ("at 40ms missed-drdy", Fault::MissedDrdy, 40_000_000, None),
            (
                "at 0s missed-drdy for 20ms # two",
                Fault::MissedDrdy,
                0,
                Some(20_000_000),
            ),
            (
                "at 1.000000001s flip-bits 0,9,71",
                Fault::FlipBits([0x80, 0x40, 0, 0, 0, 0, 0, 0, 0x01]),
                1_000_000_001,
                None,
            ),
            (
                "at 7us clip ch2 for 3ns",
                Fault::Clip { channel: 1 },
                7_000,
                Some(3),
            ),
            (
                "  at 9ns flip-register loff 0x04",
                Fault::FlipRegister {
                    register: Register::Loff,
                    mask: 4,
                },
                9,
                None,
            ),
            (
                "at 1s brown-out for 5ms",
                Fault::BrownOut,
                1_000_000_000,
                Some(5_000_000),
            ),
            (
                "at 1s flat ch1 for 2s",
                Fault::Flat { channel: 0 },
                1_000_000_000,
                Some(2_000_000_000),
            ),
            (
                "at 1s noise ch2 50",
                Fault::Noise {
                    channel: 1,
                    peak_uv: 50,
                },
                1_000_000_000,
                None,
            ),
            (
                "at 1s corrupt-register CH1SET 0x10",
                Fault::CorruptRegister {
                    register: Register::Ch1Set,
                    mask: 0x10,
                },
                1_000_000_000,
                None,
            ),
            (
                "at 0s slow-clock 20",
                Fault::SlowClock { percent: 20 },
                0,
                None,
            ),
            ("at 90s gpu-lost", Fault::GpuLost, 90_000_000_000, None),
        ];
        let mut wrong = Vec::new();
        for (line, fault, at_ns, duration_ns) in table {
            let expected = ScriptedFault {
                at_ns,
                fault,
                duration_ns,
            };
            let script: Result<FaultScript, _> = line.parse();
            if script.as_ref().map(|it| it.faults().to_vec()) != Ok(vec![expected]) {
                wrong.push((line, script));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn errors_name_the_line_and_the_word() {
        let table = [
            ("\n# fine\nat 1s explode", 3, "explode"),
            ("brown-out", 1, "at TIME"),
            ("at 1 brown-out", 1, "`1`"),
            ("at 1h brown-out", 1, "`1h`"),
            ("at -1s brown-out", 1, "`-1s`"),
            ("at .5s brown-out", 1, "`.5s`"),
            ("at 0.5ns brown-out", 1, "`0.5ns`"),
            ("at 99999999999999999999s brown-out", 1, "no time"),
            ("at 1s lead-off in3p", 1, "in3p"),
            ("at 1s lead-off", 1, "electrode"),
            ("at 1s lead-on rld for 1s", 1, "no `for`"),
            ("at 1s flip-bits 72", 1, "0 to 71"),
            ("at 1s flip-register CONFIG9 1", 1, "CONFIG9"),
            ("at 1s flip-register LOFF 256", 1, "256"),
            ("at 1s clip ch3", 1, "ch1 or ch2"),
            ("at 1s flat ch3", 1, "ch1 or ch2"),
            ("at 1s noise ch1 x", 1, "whole number"),
            ("at 1s slow-clock 2000", 1, "0 to 1000"),
            ("at 1s corrupt-register LOFF 1 for 1s", 1, "no `for`"),
            ("at 1s brown-out now", 1, "nothing but"),
            ("at 1s gpu-lost again", 1, "takes nothing"),
            ("at 1s gpu-lost for 1s", 1, "gpu-lost takes no `for`"),
            ("at 1s missed-drdy for", 1, "nothing but"),
        ];
        let wrong: Vec<_> = table
            .iter()
            .map(|&(text, line, word)| (text, line, word, text.parse::<FaultScript>()))
            .filter(|(_, line, word, result)| match result {
                Ok(_) => true,
                Err(error) => error.line != *line || !error.to_string().contains(word),
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(at [0-9.]{0,3}(s|ms|us|ns) )?[a-z0-9 ,#x-]{0,40}") {
            if let Ok(script) = text.parse::<FaultScript>() {
                let printed: Vec<String> = script.faults().iter().map(ToString::to_string).collect();
                prop_assert_eq!(printed.join("\n").parse::<FaultScript>(), Ok(script));
            }
        }
    }
}
