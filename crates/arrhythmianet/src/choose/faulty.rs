//! A device that is lost on purpose: a decorator, so that what it is put around knows nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::accelerator::{Loss, RemoteEngine};
use super::report::LossCause;
use crate::Outputs;

/// Takes the accelerator's device away from one session, for demonstrations of what happens then.
///
/// Each session has a handle of its own ([`super::SessionEngine::inject_faults`]), though sessions of a
/// model share the device: what was asked for and did not come about ends with the session.
#[derive(Debug, Clone, Default)]
pub struct DeviceFault(Arc<AtomicBool>);

impl DeviceFault {
    /// The device is lost with the next batch of the session that goes to it.
    pub fn lose_device(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a loss was asked for since this was last called.
    fn comes_about(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// An engine that fails as one whose device is lost when `fault` says so; else as the engine does.
pub(super) struct FaultyEngine<'a> {
    engine: &'a mut dyn RemoteEngine,
    fault: &'a DeviceFault,
}

impl<'a> FaultyEngine<'a> {
    pub(super) fn new(engine: &'a mut dyn RemoteEngine, fault: &'a DeviceFault) -> Self {
        Self { engine, fault }
    }
}

impl RemoteEngine for FaultyEngine<'_> {
    fn classify(
        &mut self,
        input: &[f32],
        outputs: &mut Outputs,
        timeout: Duration,
    ) -> Result<(), Loss> {
        // The batch is in flight when the device goes, and leaves numbers behind that nobody may use.
        let result = self.engine.classify(input, outputs, timeout);
        if !self.fault.comes_about() {
            return result;
        }
        result.and(Err(Loss {
            cause: LossCause::Driver,
            reason: "device lost: destroyed on purpose".to_owned(),
        }))
    }
}
