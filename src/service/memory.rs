//! How much memory the service may have: what its control group says (cgroups(7), version 2).

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// The smallest limit of the own control group and those above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: u64,
    /// Where it is written.
    pub file: PathBuf,
}

impl MemoryLimit {
    /// The limit of this process; `None` where there is none. The shipped unit lets it be read:
    /// `/proc/self/cgroup` is there with `ProcSubset=pid`, and `ProtectControlGroups=` makes
    /// `/sys/fs/cgroup` read-only.
    ///
    /// # Errors
    /// Why it cannot be known.
    pub fn for_this_process() -> Result<Option<Self>, String> {
        Self::find(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
    }

    fn find(own: &Path, root: &Path) -> Result<Option<Self>, String> {
        let unknown = |path: &Path, error: &dyn Display| format!("{}: {error}", path.display());
        let groups = std::fs::read_to_string(own).map_err(|error| unknown(own, &error))?;
        let group = groups
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .ok_or_else(|| unknown(own, &"no control group of version 2"))?;
        let controllers = root.join("cgroup.controllers");
        std::fs::metadata(&controllers).map_err(|error| unknown(&controllers, &error))?;
        let mut folder = root.join(group);
        let mut smallest: Option<Self> = None;
        loop {
            let file = folder.join("memory.max");
            let text = match std::fs::read_to_string(&file) {
                // the topmost group has no limit, and no file for it
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder == *root => {
                    "max".to_owned()
                }
                read => read.map_err(|error| unknown(&file, &error))?,
            };
            let text = text.trim();
            if text != "max" {
                let wrong = |_| format!("found {text:?}, expected bytes or max");
                let bytes = text
                    .parse()
                    .map_err(|error| unknown(&file, &wrong(error)))?;
                if smallest.as_ref().is_none_or(|known| bytes < known.bytes) {
                    smallest = Some(Self { bytes, file });
                }
            }
            if folder == *root || !folder.pop() {
                return Ok(smallest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_smallest_limit_from_the_own_group_up_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (own, root) = (folder.path().join("cgroup"), folder.path().join("fs"));
        let slice = root.join("system.slice");
        let unit = slice.join("gateway.service");
        fs::create_dir_all(&unit).unwrap();
        let find = || MemoryLimit::find(&own, &root);
        let is_unknown = |words: &str| match find() {
            Err(why) => assert!(why.contains(words), "{why}"),
            known => panic!("{known:?}"),
        };
        is_unknown("cgroup: No such file");
        fs::write(&own, "4:memory:/x\n1:cpu:/\n").unwrap();
        is_unknown("no control group of version 2");
        fs::write(&own, "0::/system.slice/gateway.service\n").unwrap();
        is_unknown("cgroup.controllers");
        fs::write(root.join("cgroup.controllers"), "memory\n").unwrap();
        is_unknown("gateway.service/memory.max");
        fs::write(unit.join("memory.max"), "268435456\n").unwrap();
        is_unknown("system.slice/memory.max");
        fs::write(slice.join("memory.max"), "max\n").unwrap();
        let limit = |bytes, group: &Path| {
            let file = group.join("memory.max");
            Ok(Some(MemoryLimit { bytes, file }))
        };
        assert_eq!(find(), limit(256 << 20, &unit));
        fs::write(slice.join("memory.max"), "1048576\n").unwrap();
        assert_eq!(find(), limit(1 << 20, &slice));
        fs::write(unit.join("memory.max"), "max\n").unwrap();
        fs::write(slice.join("memory.max"), "max\n").unwrap();
        assert_eq!(find(), Ok(None));
        fs::write(unit.join("memory.max"), "lots\n").unwrap();
        is_unknown("found \"lots\"");
        // in a container its own group is the topmost
        fs::write(&own, "0::/\n").unwrap();
        assert_eq!(find(), Ok(None));
        fs::write(root.join("memory.max"), "4096\n").unwrap();
        assert_eq!(find(), limit(4_096, &root));
    }
}
