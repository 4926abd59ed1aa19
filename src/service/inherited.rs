//! The socket handed over by the service manager (socket activation, `sd_listen_fds(3)`).

use std::io;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// The listening Unix socket this process was started with, if any.
///
/// # Errors
/// Where the manager handed over something that is no listening Unix socket, or more than one.
pub fn inherited_socket() -> io::Result<Option<UnixListener>> {
    let mut handed_over = ListenFd::from_env();
    if handed_over.len() > 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "LISTEN_FDS: found {} sockets, expected one",
                handed_over.len()
            ),
        ));
    }
    handed_over.take_unix_listener(0)
}
