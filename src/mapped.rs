//! Whether the kernel can tell users apart from here (user_namespaces(7)).
//!
//! A process in a user namespace sees every user and group that is not mapped there under one and
//! the same number, the overflow id. Whoever is named by that number could be anybody.

/// What the kernel has unless somebody changed it, and what is taken where it cannot be read.
const DEFAULT_ID: u32 = 65_534;

/// The ids that stand for every user, and every group, that is not mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverflowIds {
    /// Of users.
    pub uid: u32,
    /// Of groups.
    pub gid: u32,
}

impl Default for OverflowIds {
    /// 65534 for both.
    fn default() -> Self {
        Self {
            uid: DEFAULT_ID,
            gid: DEFAULT_ID,
        }
    }
}

impl OverflowIds {
    /// Those of the running kernel; 65534 where /proc/sys is hidden, as in the service's sandbox.
    #[must_use]
    pub fn from_kernel() -> Self {
        let read = |name: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?;
            text.trim().parse().ok()
        };
        Self {
            uid: read("overflowuid").unwrap_or(DEFAULT_ID),
            gid: read("overflowgid").unwrap_or(DEFAULT_ID),
        }
    }
}

/// Whether some users or groups are not mapped here, so that they all look alike; `None` where
/// /proc cannot be read.
#[must_use]
pub fn some_are_unmapped() -> Option<bool> {
    let hides = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/self/{name}")).ok()?;
        Some(!maps_everybody(&text))
    };
    Some(hides("uid_map")? || hides("gid_map")?)
}

/// Whether an id map, as /proc has it, holds every id there is (2^32 - 1: the last means none).
fn maps_everybody(map: &str) -> bool {
    let lengths = map.lines().filter_map(|line| {
        let length = line.split_whitespace().nth(2)?;
        length.parse::<u64>().ok()
    });
    lengths.sum::<u64>() >= u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_map_of_all_ids_maps_everybody() {
        for (map, whole) in [
            ("         0          0 4294967295\n", true),
            ("0 0 2147483647\n2147483647 2147483647 2147483648\n", true),
            ("         0       1000          1\n", false),
            ("0 0 65536\n", false),
            ("", false),
            ("rubbish\n", false),
        ] {
            assert_eq!(maps_everybody(map), whole, "{map:?}");
        }
    }
}
