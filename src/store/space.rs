//! Room on the medium the database lies on.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What stays free on the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinFree {
    /// Of the whole medium, percent.
    pub percent: u32,
    /// At least this, bytes.
    pub bytes: u64,
}

impl MinFree {
    /// What both ask for on a medium of `total` bytes, never more than half of it: a medium smaller
    /// than what is to stay free could hold nothing.
    #[must_use]
    pub fn wanted(&self, total: u64) -> u64 {
        let share = u128::from(total) * u128::from(self.percent) / 100;
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        share.max(self.bytes).min(total / 2)
    }
}

/// The room on a medium, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What this process may still take.
    pub free: u64,
}

/// Where the room is asked for: the kernel, or a test.
#[derive(Clone)]
pub struct SpaceSource(Arc<Ask>);

type Ask = dyn Fn(&Path) -> io::Result<Space> + Send + Sync;

impl SpaceSource {
    /// Asks `ask` for the room on the medium that a path is on.
    pub fn new(ask: impl Fn(&Path) -> io::Result<Space> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    pub(super) fn at(&self, path: &Path) -> io::Result<Space> {
        (self.0)(path)
    }
}

impl Default for SpaceSource {
    fn default() -> Self {
        Self::new(|path| {
            let found = rustix::fs::statvfs(path)?;
            Ok(Space {
                total: found.f_blocks.saturating_mul(found.f_frsize),
                free: found.f_bavail.saturating_mul(found.f_frsize),
            })
        })
    }
}

impl fmt::Debug for SpaceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpaceSource")
    }
}

/// The same place, not one that happens to answer alike.
impl PartialEq for SpaceSource {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SpaceSource {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_both_counts_up_to_half_of_the_medium() {
        const GIB: u64 = 1 << 30;
        for (percent, bytes, total, wanted) in [
            (10, GIB, 64 * GIB, 64 * GIB / 10),
            (10, GIB, 8 * GIB, GIB),
            (10, GIB, GIB, GIB / 2),
            (10, 0, GIB, GIB / 10),
            (0, GIB, 64 * GIB, GIB),
            (100, 0, u64::MAX, u64::MAX / 2),
        ] {
            let least = MinFree { percent, bytes };
            assert_eq!(least.wanted(total), wanted, "{least:?} of {total}");
        }
    }

    #[test]
    fn the_kernel_tells() {
        let space = SpaceSource::default().at(Path::new("/")).unwrap();
        assert!(space.total > 0 && space.free <= space.total);
        assert!(SpaceSource::default().at(Path::new("/nowhere")).is_err());
    }
}
