//! The loss of the GPU as a fault script and `--inject` write it.

use std::sync::Arc;

use ads1292::simulator::{Fault, FaultScript, parse_time_ns};
use ecg_chain::Injection;

/// `gpu-lost@TIME` or `gpu-lost@BEAT`.
pub(super) fn parse(text: &str) -> Result<Arc<Injection>, String> {
    let wrong = || {
        format!(
            "found {text}, expected gpu-lost@TIME such as gpu-lost@90s, or gpu-lost@BEAT such as \
             gpu-lost@5000"
        )
    };
    let when = text.strip_prefix("gpu-lost@").ok_or_else(wrong)?;
    Ok(Arc::new(match when.parse() {
        Ok(0) => return Err(wrong()),
        Ok(beat) => Injection::at_beat(beat),
        Err(_) => Injection::at_time(parse_time_ns(when).map_err(|_| wrong())?),
    }))
}

/// The first loss of a GPU in a fault script, nanoseconds after the start.
pub(super) fn scripted_ns(script: &FaultScript) -> Option<u64> {
    let losses = script
        .faults()
        .iter()
        .filter(|it| it.fault == Fault::GpuLost);
    losses.map(|it| it.at_ns).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_script_may_hold_it() {
        let script: FaultScript = "at 1s lead-off rld\nat 3s gpu-lost\nat 2s gpu-lost"
            .parse()
            .unwrap();
        assert_eq!(scripted_ns(&script), Some(2_000_000_000));
        assert_eq!(scripted_ns(&FaultScript::default()), None);
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in ["gpu-lost@90s", "gpu-lost@5000"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "gpu-lost",
            "gpu-lost@",
            "gpu-lost@0",
            "gpu-lost@soon",
            "lead-off@1s",
            "gpu-lost@-1s",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("gpu-lost@90s"), "{text}: {error}");
        }
    }
}
