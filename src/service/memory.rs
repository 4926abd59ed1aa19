//! How much memory the service may have: what its control group says (cgroups(7), version 2).

use std::io;
use std::path::{Path, PathBuf};

/// What is known about the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryLimit {
    /// The smallest limit of the own control group and those above it.
    Bytes {
        /// Bytes.
        bytes: u64,
        /// Where it is written.
        file: PathBuf,
    },
    /// There is none.
    None,
    /// It cannot be known, because of this.
    Unknown(String),
}

impl MemoryLimit {
    /// The limit of this process. The shipped unit lets it be read: `/proc/self/cgroup` is there with
    /// `ProcSubset=pid`, and `ProtectControlGroups=` makes `/sys/fs/cgroup` read-only.
    #[must_use]
    pub fn for_this_process() -> Self {
        Self::find(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
    }

    fn find(own: &Path, root: &Path) -> Self {
        let unknown =
            |path: &Path, error: &io::Error| Self::Unknown(format!("{}: {error}", path.display()));
        let groups = match std::fs::read_to_string(own) {
            Ok(text) => text,
            Err(error) => return unknown(own, &error),
        };
        let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
            return Self::Unknown(format!("{}: no control group of version 2", own.display()));
        };
        if let Err(error) = std::fs::metadata(root.join("cgroup.controllers")) {
            return unknown(&root.join("cgroup.controllers"), &error);
        }
        let mut folder = root.join(group);
        let mut smallest = Self::None;
        loop {
            let file = folder.join("memory.max");
            match std::fs::read_to_string(&file) {
                Ok(text) => match (text.trim(), text.trim().parse()) {
                    ("max", _) => {}
                    (_, Ok(bytes)) => {
                        let smaller = match &smallest {
                            Self::Bytes { bytes: known, .. } => bytes < *known,
                            _ => true,
                        };
                        if smaller {
                            smallest = Self::Bytes { bytes, file };
                        }
                    }
                    (text, Err(_)) => {
                        let what = format!("found {text:?}, expected bytes or max");
                        return Self::Unknown(format!("{}: {what}", file.display()));
                    }
                },
                // the topmost group has no limit, and no file for it
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder == *root => {}
                Err(error) => return unknown(&file, &error),
            }
            if folder == *root || !folder.pop() {
                return smallest;
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
            MemoryLimit::Unknown(why) => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?}"),
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
        let limit = |bytes, group: &Path| MemoryLimit::Bytes {
            bytes,
            file: group.join("memory.max"),
        };
        assert_eq!(find(), limit(256 << 20, &unit));
        fs::write(slice.join("memory.max"), "1048576\n").unwrap();
        assert_eq!(find(), limit(1 << 20, &slice));
        fs::write(unit.join("memory.max"), "max\n").unwrap();
        fs::write(slice.join("memory.max"), "max\n").unwrap();
        assert_eq!(find(), MemoryLimit::None);
        fs::write(unit.join("memory.max"), "lots\n").unwrap();
        is_unknown("found \"lots\"");
        // in a container its own group is the topmost
        fs::write(&own, "0::/\n").unwrap();
        assert_eq!(find(), MemoryLimit::None);
        fs::write(root.join("memory.max"), "4096\n").unwrap();
        assert_eq!(find(), limit(4_096, &root));
    }
}
