//! What the acquisition thread asks of the kernel: to run before others, and memory that stays.

use rustix::mm::MlockAllFlags;
use rustix::process::{Resource, getrlimit};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Realtime {
    /// `SCHED_FIFO` priority of the acquisition thread, 1 to 99; 0 leaves it an ordinary thread.
    pub priority: u8,
    /// Whether the program's memory is kept from being paged out.
    pub lock_memory: bool,
}

/// What was granted, for the log and the status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RealtimeGranted {
    /// The `SCHED_FIFO` priority in force, `None` for an ordinary thread.
    pub priority: Option<u8>,
    /// Whether memory is locked.
    pub memory_locked: bool,
    /// What was wanted and not granted, and what would help; empty where nothing is missing.
    pub refused: Vec<String>,
}

impl Realtime {
    /// Applies the wishes: the priority to the calling thread, the lock to the whole process.
    #[must_use]
    pub fn apply(self) -> RealtimeGranted {
        let mut granted = RealtimeGranted::default();
        if self.priority > 0 {
            match fifo(self.priority) {
                Ok(()) => granted.priority = Some(self.priority),
                Err(why) => granted.refused.push(format!(
                    "real-time priority {}: {why} (LimitRTPRIO= in the unit, or `ulimit -r`)",
                    self.priority
                )),
            }
        }
        if self.lock_memory {
            match lock_memory() {
                Ok(()) => granted.memory_locked = true,
                Err(why) => granted.refused.push(format!(
                    "locked memory: {why} (LimitMEMLOCK=infinity in the unit, or `ulimit -l unlimited`)"
                )),
            }
        }
        granted
    }
}

fn fifo(priority: u8) -> Result<(), String> {
    let wanted = priority.try_into().map_err(|why: String| why)?;
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(wanted),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
    .map_err(|error| match error {
        thread_priority::Error::OS(code) => std::io::Error::from_raw_os_error(code).to_string(),
        other => other.to_string(),
    })
}

/// Pages stay once they have been touched: locking every reserved page at once would make thread
/// stacks and allocator arenas resident that nobody uses.
fn lock_memory() -> Result<(), String> {
    // Under a limit the lock may be granted now and a later allocation refused: an abort in the
    // middle of the night. Either everything may be locked, or nothing is.
    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let capable = rustix::thread::capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(rustix::thread::CapabilitySet::IPC_LOCK)
    });
    if !unlimited && !capable {
        return Err("the limit of locked memory is finite".to_owned());
    }
    rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_wanted_nothing_refused() {
        assert_eq!(Realtime::default().apply(), RealtimeGranted::default());
    }

    #[test]
    fn what_is_granted_is_in_force_and_what_is_not_is_said() {
        // On a thread of its own: the priority stays with it.
        let (granted, policy) = std::thread::spawn(|| {
            let granted = Realtime {
                priority: 10,
                lock_memory: false,
            }
            .apply();
            (granted, thread_priority::thread_schedule_policy())
        })
        .join()
        .unwrap();
        let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
        assert_eq!(
            granted.priority.is_some(),
            policy == Ok(fifo),
            "{granted:?}"
        );
        match granted.priority {
            Some(priority) => assert_eq!((priority, granted.refused.len()), (10, 0)),
            None => assert!(
                granted.refused[0].starts_with("real-time priority 10: "),
                "{granted:?}"
            ),
        }
    }

    #[test]
    fn an_impossible_priority_is_refused() {
        let granted = Realtime {
            priority: 200,
            lock_memory: false,
        }
        .apply();
        assert_eq!((granted.priority, granted.refused.len()), (None, 1));
    }
}
