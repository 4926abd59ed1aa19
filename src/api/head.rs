//! Limits on a request while it comes in: how long it may be, how long it may take, and one at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Sleep, sleep};

use super::body::MOST_BODY_BYTES;

/// Longest request head, bytes: an `EventSource` sends less than one of them.
pub(super) const MOST_HEAD_BYTES: usize = 16 * 1024;
/// A request must be complete this long after its first byte.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client whose bytes lie unread, or that has shut down its sending side, is looked at this often:
/// the kernel tells nothing new of it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a client begins that speaks HTTP/2 without asking (RFC 9113, section 3.4): a whole request to
/// HTTP/1.1, which the library below takes for the first part of something longer and waits.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// The line that tells the length of a body is shorter than this.
const MOST_LENGTH_LINE_BYTES: usize = 64;

/// Follows the bytes of a request up to the empty line that ends its head, and learns how long its body
/// is. Empty lines before the request line are part of the request: they begin it, count, and end
/// nothing (RFC 9112, section 2.2, lets a server ignore them).
#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    /// A line that is not empty has begun.
    has_text: bool,
    /// The last byte but carriage returns was a line feed.
    at_line_start: bool,
    complete: bool,
    /// So many of the first bytes are those of [`HTTP2_PREFACE`].
    of_preface: usize,
    /// What the line has so far, as long as it can be the one that tells the length of the body.
    line: Vec<u8>,
    /// Bytes of the body; 0 where none is told, or one that is refused unread.
    body: usize,
}

/// What bytes have made of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// There is more to come.
    Part,
    /// The first so many bytes complete it.
    Whole(usize),
    TooLong,
    /// The client speaks HTTP/2.
    Http2,
}

impl Head {
    fn see(&mut self, bytes: &[u8]) -> Seen {
        for (count, byte) in (1..).zip(bytes) {
            if self.of_preface == self.bytes && HTTP2_PREFACE.get(self.bytes) == Some(byte) {
                self.of_preface += 1;
            }
            self.bytes = self.bytes.saturating_add(1);
            if self.bytes > MOST_HEAD_BYTES {
                return Seen::TooLong;
            }
            match byte {
                b'\r' => {}
                b'\n' => {
                    self.end_line();
                    if self.at_line_start && self.has_text {
                        self.complete = true;
                        return if self.of_preface == HTTP2_PREFACE.len() {
                            Seen::Http2
                        } else {
                            Seen::Whole(count)
                        };
                    }
                    self.at_line_start = true;
                }
                _ => {
                    self.has_text = true;
                    self.at_line_start = false;
                    if self.line.len() < MOST_LENGTH_LINE_BYTES {
                        self.line.push(*byte);
                    }
                }
            }
        }
        Seen::Part
    }

    fn end_line(&mut self) {
        let line = std::str::from_utf8(&self.line).unwrap_or_default();
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
            && line.len() < MOST_LENGTH_LINE_BYTES
        {
            let length = value.trim().parse().ok();
            self.body = length.filter(|it| *it <= MOST_BODY_BYTES).unwrap_or(0);
        }
        self.line.clear();
    }
}

/// What became of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Took {
    /// Bytes, or the end of the connection where there are none.
    Bytes,
    /// The request is longer than [`MOST_HEAD_BYTES`].
    TooLong,
    /// It is HTTP/2's.
    Http2,
}

/// Hands a connection's requests on one at a time: bytes behind a whole request wait until its answer has
/// begun. So the end of the connection is seen while a request is being answered, whatever else the
/// client has sent, and the work for it can be given up.
///
/// A client that has shut down its sending side only still gets the answer, whole; then its connection
/// ends.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    head: Head,
    /// Bytes of the request's body that are to come.
    body_left: usize,
    /// Read together with a request and not part of it.
    held: Vec<u8>,
    /// Bytes of an answer have gone out since the last request.
    answering: bool,
    /// Nothing has gone out since the last look.
    quiet: bool,
    look: Option<Pin<Box<Sleep>>>,
    /// What comes is no request any more: the connection has been handed to another protocol.
    upgraded: bool,
    /// Whoever reads waits for the answer: the server does not read again by itself after it.
    reader: Option<Waker>,
}

impl Incoming {
    /// Whether a request has begun and not ended.
    pub(super) fn is_partial(&self) -> bool {
        self.head.bytes > 0 && !self.is_due_an_answer()
    }

    /// Whether a whole request has come of whose answer nothing has gone out.
    pub(super) fn is_due_an_answer(&self) -> bool {
        self.head.complete && self.body_left == 0
    }

    /// Whether the client is told to go on with its body, and not answered yet.
    pub(super) fn is_due_a_body(&self) -> bool {
        self.body_left > 0
    }

    /// The answer is that the connection changes to another protocol: what comes next is handed on as it is.
    pub(super) fn upgrade(&mut self) {
        self.upgraded = true;
    }

    /// Bytes of an answer go out: what comes next is another request.
    pub(super) fn answered(&mut self) {
        self.head = Head::default();
        self.body_left = 0;
        self.answering = true;
        self.quiet = false;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Reads on; `writing` where bytes of an answer wait for the client to take them.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut UnixStream,
        buffer: &mut ReadBuf<'_>,
        writing: bool,
    ) -> Poll<io::Result<Took>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(Took::Bytes));
        }
        if self.is_due_an_answer() {
            self.reader = Some(context.waker().clone());
            ready!(stream.poll_read_ready(context))?;
            return self.until_it_hangs_up(context, stream, |_| false);
        }
        if self.upgraded && self.held.is_empty() {
            ready!(Pin::new(&mut *stream).poll_read(context, buffer))?;
            return Poll::Ready(Ok(Took::Bytes));
        }
        let before = buffer.filled().len();
        if self.held.is_empty() {
            ready!(Pin::new(&mut *stream).poll_read(context, buffer))?;
        } else {
            let count = self.held.len().min(buffer.remaining());
            buffer.put_slice(self.held.get(..count).unwrap_or_default());
            self.held.drain(..count);
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            if !self.answering {
                return Poll::Ready(Ok(Took::Bytes));
            }
            // The end would cut off an answer that is still going out.
            return self.until_it_hangs_up(context, stream, |me| {
                !writing && std::mem::replace(&mut me.quiet, true)
            });
        }
        if self.upgraded {
            return Poll::Ready(Ok(Took::Bytes));
        }
        let mut count = 0; // of the head
        if !self.head.complete {
            match self.head.see(read) {
                Seen::Part => count = read.len(),
                Seen::TooLong => return Poll::Ready(Ok(Took::TooLong)),
                Seen::Http2 => return Poll::Ready(Ok(Took::Http2)),
                Seen::Whole(bytes) => {
                    count = bytes;
                    self.body_left = self.head.body;
                }
            }
        }
        let of_body = self.body_left.min(read.len() - count);
        self.body_left -= of_body;
        count += of_body;
        let rest = read.get(count..).unwrap_or_default();
        self.held.splice(..0, rest.iter().copied());
        buffer.set_filled(before + count);
        self.answering = false;
        Poll::Ready(Ok(Took::Bytes))
    }

    /// The end once both directions are closed, or `enough` at one of the looks. The kernel wakes
    /// nobody a second time for a client that has shut down its sending side, or whose bytes stay
    /// unread.
    fn until_it_hangs_up(
        &mut self,
        context: &mut Context<'_>,
        stream: &UnixStream,
        enough: impl Fn(&mut Self) -> bool,
    ) -> Poll<io::Result<Took>> {
        loop {
            if hung_up(stream) {
                return Poll::Ready(Ok(Took::Bytes));
            }
            let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK_EVERY)));
            ready!(look.as_mut().poll(context));
            self.look = None;
            if enough(self) {
                return Poll::Ready(Ok(Took::Bytes));
            }
        }
    }
}

/// Whether the other end takes no more bytes either; a sending side shut down alone is not that.
fn hung_up(stream: &UnixStream) -> bool {
    let mut sides = [PollFd::new(stream, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // a look that fails tells nothing; the next read or write will
    poll(&mut sides, Some(&now)).is_ok_and(|_| {
        let [side] = &sides;
        side.revents().intersects(PollFlags::HUP | PollFlags::ERR)
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    #[test]
    fn the_empty_line_ends_a_head_however_it_is_cut() {
        for blank in ["", "\r\n", "\n", "\r\n\r\n\r\n"] {
            let whole = [blank.as_bytes(), REQUEST].concat();
            for cut in 1..whole.len() {
                let mut head = Head::default();
                assert_eq!(head.see(&whole[..cut]), Seen::Part, "{blank:?} {cut}");
                assert!(head.bytes > 0 && !head.complete);
                let rest = [&whole[cut..], b"more"].concat();
                let expected = Seen::Whole(whole.len() - cut);
                assert_eq!(head.see(&rest), expected, "{blank:?} {cut}");
            }
        }
        let mut head = Head::default();
        assert_eq!(head.see(&[b'a'; MOST_HEAD_BYTES]), Seen::Part);
        assert_eq!(head.see(b"a"), Seen::TooLong);
        let mut head = Head::default();
        assert_eq!(head.see(&[b'\n'; MOST_HEAD_BYTES + 1]), Seen::TooLong);
        for cut in 1..HTTP2_PREFACE.len() {
            let mut head = Head::default();
            assert_eq!(head.see(&HTTP2_PREFACE[..cut]), Seen::Part, "{cut}");
            assert_eq!(head.see(&HTTP2_PREFACE[cut..]), Seen::Http2, "{cut}");
        }
    }

    /// The client's end, the server's, and what follows its bytes.
    fn connected() -> (UnixStream, UnixStream, Incoming) {
        let (client, server) = UnixStream::pair().unwrap();
        (client, server, Incoming::default())
    }

    async fn read(incoming: &mut Incoming, server: &mut UnixStream) -> Vec<u8> {
        let mut room = [0; 1_024];
        let mut buffer = ReadBuf::new(&mut room);
        let took =
            std::future::poll_fn(|context| incoming.poll_read(context, server, &mut buffer, false));
        assert_eq!(took.await.unwrap(), Took::Bytes);
        buffer.filled().to_vec()
    }

    /// Nothing comes for ten minutes; the clock is the test's own.
    async fn nothing_comes(incoming: &mut Incoming, server: &mut UnixStream) {
        let limit = Duration::from_secs(600);
        let read = tokio::time::timeout(limit, read(incoming, server));
        assert!(read.await.is_err());
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(test);
    }

    #[test]
    fn requests_are_handed_on_one_at_a_time() {
        run(async {
            let (mut client, mut server, mut incoming) = connected();
            let two = [REQUEST, REQUEST, b"GET"].concat();
            client.write_all(&two).await.unwrap();
            assert_eq!(read(&mut incoming, &mut server).await, REQUEST);
            nothing_comes(&mut incoming, &mut server).await;
            incoming.answered();
            assert_eq!(read(&mut incoming, &mut server).await, REQUEST);
            incoming.answered();
            assert_eq!(read(&mut incoming, &mut server).await, b"GET");
            assert!(incoming.is_partial());
        });
    }

    #[test]
    fn a_client_that_hangs_up_is_noticed_whatever_it_has_sent() {
        for more in [&b""[..], REQUEST, &[b'x'; 4_096]] {
            run(async {
                let (mut client, mut server, mut incoming) = connected();
                client.write_all(REQUEST).await.unwrap();
                assert_eq!(read(&mut incoming, &mut server).await, REQUEST);
                client.write_all(more).await.unwrap();
                nothing_comes(&mut incoming, &mut server).await;
                drop(client);
                assert_eq!(read(&mut incoming, &mut server).await, b"");
            });
        }
    }

    #[test]
    fn a_sending_side_shut_down_waits_for_the_answer() {
        run(async {
            let (mut client, mut server, mut incoming) = connected();
            client.write_all(REQUEST).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(read(&mut incoming, &mut server).await, REQUEST);
            nothing_comes(&mut incoming, &mut server).await;
            server.write_all(b"answer").await.unwrap();
            incoming.answered();
            assert_eq!(read(&mut incoming, &mut server).await, b"", "ends after it");
            let mut answer = [0; 6];
            client.read_exact(&mut answer).await.unwrap();
            // with nothing asked for there is nothing to wait for
            let (client, mut server, mut incoming) = connected();
            drop(client);
            assert_eq!(read(&mut incoming, &mut server).await, b"");
        });
    }
}
