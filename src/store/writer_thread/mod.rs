//! The thread that writes: collects rows and commits them together (`commit`), also where a write
//! fails for a reason that may pass (`trouble`).

mod commit;
mod correct;
mod deleting;
mod deletion_task;
mod maps;
mod standing;
mod thread;
mod trouble;

pub(super) use thread::WriterThread;
