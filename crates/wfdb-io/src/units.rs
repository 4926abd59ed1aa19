//! Units of voltage as people write them.

/// Microvolts of one unit; `None` where it is none of voltage this program knows.
///
/// Volt, millivolt, microvolt and nanovolt, as a symbol or a word, in any case: `MV` is a millivolt,
/// since nobody has megavolts at the electrodes. The micro sign may be U+00B5, U+03BC or `u`.
pub(super) fn uv_per_unit(unit: &str) -> Option<f64> {
    let unit = unit.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '(' | ')'));
    let lower = unit.to_lowercase();
    let is_prefix = |prefix: &&str| {
        let rest = lower.strip_prefix(*prefix);
        let base = rest.map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        matches!(base, Some("v" | "volt" | "volts"))
    };
    let prefixes = ["milli", "micro", "nano", "m", "u", "µ", "μ", "n", ""];
    Some(match prefixes.into_iter().find(is_prefix)? {
        "" => 1e6,
        "m" | "milli" => 1e3,
        "n" | "nano" => 1e-3,
        _ => 1.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood_as_people_write_them() {
        let mut wrong = Vec::new();
        for (units, expected) in [
            (&["V", "v", "Volt", "volts"][..], Some(1e6)),
            (
                &[
                    "mV",
                    "MV",
                    "mv",
                    "mVolt",
                    "millivolt",
                    "Millivolts",
                    "milli-volt",
                    "[mV]",
                    " mV ",
                    "(mV)",
                ],
                Some(1e3),
            ),
            (
                &[
                    "uV",
                    "UV",
                    "µV",
                    "μV",
                    "ΜV",
                    "uVolt",
                    "microvolt",
                    "MicroVolts",
                ],
                Some(1.0),
            ),
            (&["nV", "NV", "nanovolt"], Some(1e-3)),
            (
                &[
                    "",
                    "adu",
                    "NU",
                    "mmHg",
                    "%",
                    "m",
                    "u",
                    "mVs",
                    "mV/s",
                    "kV",
                    "bpm",
                    "\u{fffd}V",
                    "vm",
                    "degrees",
                    "volts volts",
                ],
                None,
            ),
        ] {
            for unit in units {
                let found = uv_per_unit(unit);
                if found != expected {
                    wrong.push(format!("{unit:?}: {found:?}, expected {expected:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
