//! How the running session learns that another patient is asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ecg_chain::MonotonicNs;

use super::locked::locked;
use crate::acquisition::SystemClock;

/// From whoever asks for another patient to the session that ends because of it; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PatientChange {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Looked at for each sample.
    is_asked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    /// No session runs that another one could follow.
    #[default]
    Impossible,
    Possible,
    Asked {
        label: Option<String>,
        at: MonotonicNs,
    },
}

impl PatientChange {
    /// A session runs that another one can follow, or no longer: then what was asked for is forgotten.
    pub fn allow(&self, possible: bool) {
        self.set(if possible {
            State::Possible
        } else {
            State::Impossible
        });
    }

    /// Asks for another patient, who is called so; false where no session runs that could end for one.
    #[must_use]
    pub fn ask(&self, label: Option<String>) -> bool {
        let mut state = locked(&self.inner.state);
        if matches!(*state, State::Impossible) {
            return false;
        }
        let at = SystemClock::relation().monotonic;
        *state = State::Asked { label, at };
        self.inner.is_asked.store(true, Ordering::Release);
        true
    }

    /// When another patient was asked for, on this machine's monotonic clock.
    #[must_use]
    pub fn asked(&self) -> Option<MonotonicNs> {
        if !self.inner.is_asked.load(Ordering::Acquire) {
            return None;
        }
        match *locked(&self.inner.state) {
            State::Asked { at, .. } => Some(at),
            _ => None,
        }
    }

    /// What the patient is called who was asked for; `None` where none was.
    #[must_use]
    pub fn take_request(&self) -> Option<Option<String>> {
        match self.set(State::Possible) {
            State::Asked { label, .. } => Some(label),
            _ => None,
        }
    }

    fn set(&self, state: State) -> State {
        let mut now = locked(&self.inner.state);
        self.inner.is_asked.store(false, Ordering::Release);
        std::mem::replace(&mut *now, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_that_another_can_follow_is_asked() {
        let change = PatientChange::default();
        assert!(!change.ask(None));
        change.allow(true);
        assert_eq!((change.asked(), change.take_request()), (None, None));
        assert!(change.ask(Some("Bed 4".to_owned())));
        assert!(change.ask(Some("Bed 5".to_owned())), "the last one counts");
        assert!(change.asked().is_some());
        assert_eq!(change.take_request(), Some(Some("Bed 5".to_owned())));
        assert_eq!((change.asked(), change.take_request()), (None, None));
        assert!(change.ask(None));
        change.allow(false);
        assert_eq!((change.asked(), change.ask(None)), (None, false));
    }
}
