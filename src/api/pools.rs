//! Who works on the questions that take the database: a fixed number of threads in four pools, each with
//! a line of bounded length before it.
//!
//! What a client asks for is done at its cost: a question whose client hangs up leaves the line, and
//! where it is being worked on, its read is interrupted. A full line answers at once. Questions of one
//! pool wait for nobody in another, with one exception: nothing that came after a reading for
//! `/v1/status` begins before that reading is done.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::desk::Desk;
use super::locked::locked;
use super::order::{Order, note_order};
use super::problem::{Kind, Problem};
use super::ticket::Ticket;

/// At shutdown the threads get this long to notice; one that hangs on a dying disk is left behind.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// What a question costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// The rows of `/v1/status`.
    Status,
    /// A page, a beat, a stored map: milliseconds.
    Quick,
    /// Long pages and waveforms, summaries, a stream that catches up.
    Wide,
    /// Explanations that are made now: up to an hour of ECG goes through the signal chain again.
    Explain,
}

/// How a pool is furnished.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) threads: usize,
    /// Questions that may wait.
    pub(super) places: usize,
    /// A question is given up this long after it was asked.
    pub(super) timeout: Duration,
}

impl Pool {
    pub(super) const ALL: [Self; 4] = [Self::Status, Self::Quick, Self::Wide, Self::Explain];

    pub(super) const fn plan(self) -> Plan {
        let (name, threads, places, seconds) = match self {
            // one reading serves everybody who asks before it begins
            Self::Status => ("status", 1, 4, 2),
            Self::Quick => ("quick", 2, 256, 10),
            Self::Wide => ("wide", 1, 64, 30),
            Self::Explain => ("explain", 1, 32, 120),
        };
        Plan {
            name,
            threads,
            places,
            timeout: Duration::from_secs(seconds),
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

type Work = Box<dyn FnOnce(&mut Desk, &Ticket) -> Reply + Send>;
/// Hands the answer over, with its place in the order.
type Reply = Box<dyn FnOnce(Order) + Send>;

struct Question {
    queued: u64,
    ticket: Arc<Ticket>,
    work: Work,
}

/// Counts of one pool, since the start but for the first two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// In the line now.
    pub(super) waiting: u64,
    /// Being worked on now.
    pub(super) running: u64,
    /// Worked on to the end, whatever the answer.
    pub(super) finished: u64,
    /// Answered at once: the line was full.
    pub(super) refused: u64,
    /// Given up with the client.
    pub(super) cancelled: u64,
    /// Given up because they took too long.
    pub(super) overdue: u64,
}

#[derive(Default)]
struct State {
    closing: bool,
    lines: [VecDeque<Question>; 4],
    counts: [Counts; 4],
    /// The reading for the status that is being worked on.
    status: Option<(u64, Arc<Ticket>)>,
    /// What the other threads work on.
    at_work: Vec<Arc<Ticket>>,
    queued: u64,
    done: u64,
    threads: usize,
}

/// The pools of a server; dropping them ends the threads.
pub(super) struct Pools {
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    state: Mutex<State>,
    /// A question of the pool may begin.
    work: [Condvar; 4],
    ended: Condvar,
}

impl std::fmt::Debug for Pools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pools")
    }
}

impl Pools {
    /// Starts the threads, each at a desk of its own.
    pub(super) fn start(desk: impl Fn() -> Desk) -> std::io::Result<Self> {
        let pools = Self {
            line: Arc::default(),
        };
        for pool in Pool::ALL {
            let Plan { name, threads, .. } = pool.plan();
            for _ in 0..threads {
                let line = Arc::clone(&pools.line);
                let mut desk = desk();
                locked(&line.state).threads += 1;
                let present = Present(Arc::clone(&line));
                std::thread::Builder::new()
                    .name(format!("api-{name}"))
                    .spawn(move || {
                        let _present = present;
                        line.serve(pool, &mut desk);
                    })?;
            }
        }
        Ok(pools)
    }

    /// Puts a question into the line; its place in the order.
    ///
    /// # Errors
    /// [`Kind::Busy`] where the line is full, [`Kind::StoreUnavailable`] once the server closes.
    pub(super) fn queue(
        &self,
        pool: Pool,
        ticket: &Arc<Ticket>,
        work: impl FnOnce(&mut Desk, &Ticket) -> Reply + Send + 'static,
    ) -> Result<u64, Problem> {
        let plan = pool.plan();
        let mut state = locked(&self.line.state);
        if state.closing {
            return Err(closing());
        }
        let place = pool.index();
        if state.lines[place].len() >= plan.places {
            state.counts[place].refused += 1;
            let detail = format!(
                "{} questions of this kind ({}) wait already",
                plan.places, plan.name
            );
            return Err(Problem::new(Kind::Busy, detail));
        }
        state.queued += 1;
        let queued = state.queued;
        state.lines[place].push_back(Question {
            queued,
            ticket: Arc::clone(ticket),
            work: Box::new(work),
        });
        drop(state);
        self.line.work[place].notify_one();
        Ok(queued)
    }

    /// Asks and waits for the answer: until the time-out of the pool, and while this is polled.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        pool: Pool,
        work: impl FnOnce(&mut Desk, &Ticket) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let (sender, receiver) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        self.queue(pool, &ticket, move |desk, ticket| {
            let answer = work(desk, ticket);
            Box::new(move |order| drop(sender.send((answer, order)))) // gone: nobody to tell
        })?;
        let mut waiting = Waiting {
            pools: self,
            pool,
            ticket,
            is_over: false,
            is_overdue: false,
        };
        let outcome = tokio::time::timeout(pool.plan().timeout, receiver).await;
        waiting.is_over = outcome.is_ok();
        waiting.is_overdue = outcome.is_err();
        let (answer, order) = outcome.map_err(|_| overdue(pool))?.map_err(|_| closing())?;
        note_order(order);
        answer
    }

    /// Nobody waits for the question any more, or it has taken too long.
    pub(super) fn give_up(&self, pool: Pool, ticket: &Arc<Ticket>, overdue: bool) {
        ticket.overdue.store(overdue, Ordering::SeqCst);
        ticket.give_up();
        let mut state = locked(&self.line.state);
        let place = pool.index();
        // what is dropped here may itself wait for something: not under the lock
        let left = state.lines[place]
            .iter()
            .position(|question| Arc::ptr_eq(&question.ticket, ticket))
            .and_then(|position| state.lines[place].remove(position));
        let counts = &mut state.counts[place];
        if overdue {
            counts.overdue += 1;
        } else {
            counts.cancelled += 1;
        }
        drop(state);
        if pool == Pool::Status {
            self.line.wake_all(); // it may have been what they waited behind
        }
        drop(left);
    }

    /// Whether the line is full, so that a question would be refused.
    pub(super) fn is_full(&self, pool: Pool) -> bool {
        locked(&self.line.state).lines[pool.index()].len() >= pool.plan().places
    }

    /// What the pool has to do and has done.
    pub(super) fn counts(&self, pool: Pool) -> Counts {
        let state = locked(&self.line.state);
        let place = pool.index();
        Counts {
            waiting: state.lines[place].len() as u64,
            ..state.counts[place]
        }
    }

    /// Ends the threads: whatever waits is dropped, whatever runs is given up.
    pub(super) fn close(&self) {
        let mut state = locked(&self.line.state);
        state.closing = true;
        let dropped = std::mem::take(&mut state.lines);
        for ticket in &state.at_work {
            ticket.give_up();
        }
        self.line.wake_all();
        drop(state);
        drop(dropped);
        let state = locked(&self.line.state);
        let waited = self
            .line
            .ended
            .wait_timeout_while(state, SHUTDOWN_GRACE, |state| state.threads > 0);
        if let Ok((state, timeout)) = waited
            && timeout.timed_out()
        {
            let threads = state.threads;
            tracing::warn!(threads, "reads that do not end are left behind");
        }
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        self.close();
    }
}

/// A thread of the pools, while it lives.
struct Present(Arc<Line>);

impl Drop for Present {
    fn drop(&mut self) {
        locked(&self.0.state).threads -= 1;
        self.0.ended.notify_all();
    }
}

pub(super) fn closing() -> Problem {
    Problem::new(Kind::StoreUnavailable, "reading: the server is closing")
}

pub(super) fn overdue(pool: Pool) -> Problem {
    let Plan { name, timeout, .. } = pool.plan();
    let detail = format!(
        "given up after {} s, the most a question of this kind ({name}) may take",
        timeout.as_secs()
    );
    Problem::new(Kind::Overdue, detail)
}

/// Gives a question up with whoever waits for it.
struct Waiting<'a> {
    pools: &'a Pools,
    pool: Pool,
    ticket: Arc<Ticket>,
    is_over: bool,
    is_overdue: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let overdue = self.is_overdue;
            self.pools.give_up(self.pool, &self.ticket, overdue);
        }
    }
}

impl State {
    /// Whether a reading for the status was asked for before the question `queued` and is not done.
    fn status_before(&self, queued: u64) -> bool {
        if let Some((number, ticket)) = &self.status {
            // Behind a reading that has taken too long and does not end nobody waits, nor behind those
            // that wait for it in turn: a hung disk would silence every other question.
            if ticket.overdue.load(Ordering::SeqCst) {
                return false;
            }
            if *number < queued && !ticket.is_given_up() {
                return true;
            }
        }
        self.status_waits_before(queued)
    }

    fn status_waits_before(&self, queued: u64) -> bool {
        let waiting = &self.lines[Pool::Status.index()];
        let before =
            |question: &Question| question.queued < queued && !question.ticket.is_given_up();
        waiting.iter().any(before)
    }

    /// The next question of the pool, if it may begin.
    fn begin_next(&mut self, pool: Pool) -> Option<Question> {
        let place = pool.index();
        let next = self.lines[place].front()?;
        if pool != Pool::Status && self.status_before(next.queued) {
            return None;
        }
        let question = self.lines[place].pop_front()?;
        question.ticket.begun.store(true, Ordering::SeqCst);
        self.counts[place].running += 1;
        if pool == Pool::Status {
            self.status = Some((question.queued, Arc::clone(&question.ticket)));
        }
        self.at_work.push(Arc::clone(&question.ticket));
        Some(question)
    }
}

impl Line {
    fn wake_all(&self) {
        for work in &self.work {
            work.notify_all();
        }
    }

    fn serve(&self, pool: Pool, desk: &mut Desk) {
        while let Some(question) = self.next(pool) {
            let (queued, ticket) = (question.queued, question.ticket);
            let reply = (question.work)(desk, &ticket);
            *locked(&ticket.reading) = None;
            let mut state = locked(&self.state);
            state.done += 1;
            let order = Order {
                queued,
                done: state.done,
            };
            let counts = &mut state.counts[pool.index()];
            counts.running -= 1;
            // what was given up on the way is counted there
            counts.finished += u64::from(!ticket.is_given_up());
            drop(state);
            reply(order);
            let mut state = locked(&self.state);
            state
                .at_work
                .retain(|at_work| !Arc::ptr_eq(at_work, &ticket));
            if pool == Pool::Status {
                state.status = None;
                self.wake_all();
            }
        }
    }

    /// Waits for the pool's next question; `None` once the server closes.
    fn next(&self, pool: Pool) -> Option<Question> {
        let mut state = locked(&self.state);
        loop {
            if state.closing {
                return None;
            }
            if let Some(question) = state.begin_next(pool) {
                return Some(question);
            }
            state = self.work[pool.index()]
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
