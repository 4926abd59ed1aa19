//! What the kernel says about this process.

/// Processor time of all threads so far, from `/proc/self/stat` (fields 14 and 15, 100 Hz).
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may hold blanks; it ends with the last parenthesis.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

/// The process's largest resident size so far.
pub(super) fn peak_resident_kib() -> Option<u64> {
    kib("VmHWM:")
}

/// The process's resident size now.
pub(super) fn resident_kib() -> Option<u64> {
    kib("VmRSS:")
}

/// A line of `/proc/self/status`.
fn kib(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
