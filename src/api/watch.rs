//! The socket's file: is it still where clients look for it?
//!
//! Somebody may remove or replace it while the server runs. Nobody new could connect then, and nothing else
//! would show it.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use super::counters::{Counters, count};
use super::socket::{BoundSocket, bind};

/// The file is looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The listening socket, and the one that takes its place once its file was made anew.
pub(super) struct Doors {
    current: UnixListener,
    next: mpsc::Receiver<UnixListener>,
    /// Clients that found the one before, and were not accepted yet.
    came_before: VecDeque<(UnixStream, SocketAddr)>,
}

impl Doors {
    /// `next` brings the sockets that take its place.
    pub(super) fn new(current: UnixListener, next: mpsc::Receiver<UnixListener>) -> Self {
        Self {
            current,
            next,
            came_before: VecDeque::new(),
        }
    }

    /// The next client.
    pub(super) async fn accept(&mut self) -> io::Result<(UnixStream, SocketAddr)> {
        loop {
            if let Some(client) = self.came_before.pop_front() {
                return Ok(client);
            }
            tokio::select! {
                Some(next) = self.next.recv() => {
                    let before = std::mem::replace(&mut self.current, next);
                    self.came_before = waiting(&before).await;
                }
                accepted = self.current.accept() => return accepted,
            }
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.current.local_addr()
    }
}

/// Clients that wait at a socket right now.
async fn waiting(listener: &UnixListener) -> VecDeque<(UnixStream, SocketAddr)> {
    let mut clients = VecDeque::new();
    std::future::poll_fn(|context| {
        while let std::task::Poll::Ready(Ok(client)) = listener.poll_accept(context) {
            clients.push_back(client);
        }
        std::task::Poll::Ready(())
    })
    .await;
    clients
}

/// Looks after the socket's file.
pub(super) struct SocketWatch {
    path: PathBuf,
    mode: u32,
    /// The file the gateway itself made; `None` for the service manager's, which is only looked at.
    ours: Option<BoundSocket>,
    /// Device and inode of the file that leads here.
    identity: Option<(u64, u64)>,
    doors: mpsc::Sender<UnixListener>,
    counters: Arc<Counters>,
    /// What was said last, so that it is said once.
    said: Option<String>,
}

impl SocketWatch {
    pub(super) fn new(
        path: &Path,
        mode: u32,
        ours: Option<BoundSocket>,
        doors: mpsc::Sender<UnixListener>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            mode,
            ours,
            identity: identity(path),
            doors,
            counters,
            said: None,
        }
    }

    /// Looks until the server closes, then removes the file if it is ours.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let look = async {
            let mut turns = tokio::time::interval(LOOK_EVERY);
            loop {
                turns.tick().await;
                self.look().await;
            }
        };
        tokio::select! {
            () = look => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
        drop(self.ours); // no new client finds us from here on
        std::future::pending::<()>().await;
    }

    async fn look(&mut self) {
        let away = &self.counters.socket_away;
        if self.identity.is_some() && identity(&self.path) == self.identity {
            if away.swap(0, Ordering::Relaxed) == 1 {
                tracing::info!(path = %self.path.display(), "the socket's file is back");
                self.said = None;
            }
            return;
        }
        if away.swap(1, Ordering::Relaxed) == 0 {
            count(&self.counters.socket_lost);
            let advice = if self.ours.is_some() {
                "it is made again"
            } else {
                "the service manager made it: restart its socket unit"
            };
            tracing::warn!(
                path = %self.path.display(),
                "the socket's file was removed or replaced, new clients do not find the gateway; {advice}"
            );
        }
        if self.ours.is_some() {
            self.make_again().await;
        }
    }

    async fn make_again(&mut self) {
        let (path, mode) = (self.path.clone(), self.mode);
        // away from the thread that serves: it asks whether another server listens there
        let made = tokio::task::spawn_blocking(move || bind(&path, mode)).await;
        let outcome = match made {
            Ok(Ok((listener, bound))) => match UnixListener::from_std(listener) {
                Ok(listener) => {
                    self.identity = identity(&self.path);
                    self.ours = Some(bound);
                    let _ = self.doors.send(listener).await; // gone only with the server
                    self.counters.socket_away.store(0, Ordering::Relaxed);
                    self.said = None;
                    tracing::info!(path = %self.path.display(), "the socket listens again");
                    return;
                }
                Err(error) => error.to_string(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if self.said.as_ref() != Some(&outcome) {
            tracing::error!(error = %outcome, "the socket cannot be made again yet");
            self.said = Some(outcome);
        }
    }
}

/// Device and inode of the file of this name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path)
        .ok()
        .map(|metadata| (metadata.dev(), metadata.ino()))
}
