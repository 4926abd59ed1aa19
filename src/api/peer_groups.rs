//! The supplementary groups of the client at the other end of a Unix socket (`SO_PEERGROUPS`).
//!
//! The kernel keeps them from the moment the client connected, beside what `SO_PEERCRED` tells.
//! /proc would tell of whatever process has the client's number by now, and a look into the group
//! database of what the user would get if it logged in now. Neither rustix 1.1, nix 0.32, socket2 0.6
//! nor tokio 1.54 has this option, whose answer has no fixed length.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Groups that find room at the first try; few users are in more.
const USUALLY_ENOUGH: usize = 64;
/// More groups no process has (`NGROUPS_MAX`, limits.h).
const MOST_GROUPS: usize = 65_536;
const ID_BYTES: usize = size_of::<libc::gid_t>();

/// Numbers of the groups, in the kernel's order, as this process' user namespace sees them: a group
/// that is not mapped here is the overflow id.
///
/// # Errors
/// The kernel's: `ENODATA` of a socket that is not connected, `ENOPROTOOPT` before Linux 4.13.
pub(super) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    read_groups(USUALLY_ENOUGH, |room| ask(socket, room))
}

/// Asks with room for `first_room` groups, and once more with as much as the kernel then says it
/// needs: the groups are those of the moment of connecting and cannot become more.
fn read_groups(
    first_room: usize,
    mut ask: impl FnMut(&mut [u32]) -> Result<usize, TooSmall>,
) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; first_room];
    for _ in 0..2 {
        match ask(&mut groups) {
            Ok(bytes) => {
                let (count, rest) = (bytes / ID_BYTES, bytes % ID_BYTES);
                if rest != 0 || count > groups.len() {
                    return Err(io::Error::other(format!(
                        "the kernel gave {bytes} bytes of group ids, which have {ID_BYTES} each"
                    )));
                }
                groups.truncate(count);
                return Ok(groups);
            }
            Err(TooSmall::Needs(bytes)) => {
                let count = bytes.div_ceil(ID_BYTES).min(MOST_GROUPS);
                groups = vec![0; count];
            }
            Err(TooSmall::Other(error)) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ERANGE))
}

/// Why there are no groups in the room given.
enum TooSmall {
    /// They take this many bytes.
    Needs(usize),
    /// Something else is wrong.
    Other(io::Error),
}

/// One `getsockopt`: how many bytes the kernel wrote to `room`.
#[allow(unsafe_code)] // the one system call for which no library has a safe function
fn ask(socket: BorrowedFd<'_>, room: &mut [u32]) -> Result<usize, TooSmall> {
    // u32 and gid_t are the same type, so a slice of the one is aligned and sized for the other
    let ids: &mut [libc::gid_t] = room;
    let mut bytes = libc::socklen_t::try_from(size_of_val(ids)).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: The descriptor is borrowed, so it stays open during the call; whatever it is of, a
    // wrong one is an error and no write. `ids` is an exclusively borrowed, initialised slice, and
    // `bytes` is its size in bytes or less (at MAX the slice is larger still), so the kernel, which
    // writes at most `bytes` bytes there and only on success, stays inside it. Every bit pattern is
    // a u32. `bytes` is a live socklen_t of our own, read before and written after. The kernel keeps
    // neither pointer beyond the call.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            ids.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if outcome == 0 {
        return Ok(bytes);
    }
    let error = io::Error::last_os_error();
    Err(match error.raw_os_error() {
        Some(libc::ERANGE) => TooSmall::Needs(bytes),
        _ => TooSmall::Other(error),
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Our own, as another part of the kernel tells them.
    fn own_groups() -> Vec<u32> {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Groups:"));
        let numbers = line.unwrap().split_whitespace();
        numbers.map(|number| number.parse().unwrap()).collect()
    }

    #[test]
    fn of_a_socket_to_ourselves_they_are_our_own() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut groups = peer_groups(ours.as_fd()).unwrap();
        groups.sort_unstable();
        let mut own = own_groups();
        own.sort_unstable();
        assert_eq!(groups, own);
    }

    #[test]
    fn what_is_no_connected_socket_is_an_error_and_not_an_empty_list() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(peer_groups(file.as_fd()).is_err());
        let listener_folder = tempfile::tempdir().unwrap();
        let path = listener_folder.path().join("s");
        let unconnected = std::os::unix::net::UnixDatagram::bind(path).unwrap();
        assert!(peer_groups(unconnected.as_fd()).is_err());
    }

    #[test]
    fn a_room_that_is_too_small_is_asked_for_once_more_and_not_for_ever() {
        // a process with 100 groups
        let hundred: Vec<u32> = (5_000..5_100).collect();
        let mut rooms = Vec::new();
        let groups = read_groups(64, |room| {
            rooms.push(room.len());
            let Some(place) = room.get_mut(..hundred.len()) else {
                return Err(TooSmall::Needs(hundred.len() * ID_BYTES));
            };
            place.copy_from_slice(&hundred);
            Ok(hundred.len() * ID_BYTES)
        });
        assert_eq!(groups.unwrap(), hundred);
        assert_eq!(rooms, [64, 100]);
        // a kernel that is never content gets no more memory than any list can take
        let mut rooms = Vec::new();
        let refused = read_groups(1, |room| {
            rooms.push(room.len());
            Err(TooSmall::Needs(usize::MAX))
        });
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ERANGE));
        assert_eq!(rooms, [1, MOST_GROUPS]);
        // lengths that cannot be
        for bytes in [3, 5, 8] {
            assert!(read_groups(1, |_| Ok(bytes)).is_err(), "{bytes}");
        }
        assert_eq!(read_groups(1, |_| Ok(0)).unwrap(), Vec::<u32>::new());
    }
}
