//! A question that several ask at the same time is worked on once, for all of them, and for as long as one
//! of them waits.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::desk::Desk;
use super::locked::locked;
use super::order::{Order, note_order};
use super::pools::{Pool, Pools, closing, overdue};
use super::problem::Problem;
use super::ticket::Ticket;

type Answer<T> = Option<(Result<T, Problem>, Order)>;
type AskedBy<K, T> = HashMap<K, Asked<T>>;

/// Questions being asked, by what is asked.
#[derive(Debug)]
pub(super) struct Together<K, T> {
    asked: Arc<Mutex<AskedBy<K, T>>>,
    joined: AtomicU64,
}

#[derive(Debug)]
struct Asked<T> {
    ticket: Arc<Ticket>,
    waiting: Arc<AtomicUsize>,
    answer: watch::Receiver<Answer<T>>,
}

impl<K, T> Default for Together<K, T> {
    fn default() -> Self {
        Self {
            asked: Arc::default(),
            joined: AtomicU64::default(),
        }
    }
}

fn forget<K: Eq + Hash, T>(asked: &mut AskedBy<K, T>, key: &K, ticket: &Arc<Ticket>) {
    if asked
        .get(key)
        .is_some_and(|asked| Arc::ptr_eq(&asked.ticket, ticket))
    {
        asked.remove(key);
    }
}

impl<K, T> Together<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// How often somebody joined others.
    pub(super) fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }

    /// As [`Pools::ask`], together with whoever asks for `key` now, where `may_join` their question.
    pub(super) async fn ask(
        &self,
        pools: &Pools,
        pool: Pool,
        key: K,
        may_join: impl Fn(&Ticket) -> bool,
        work: impl FnOnce(&mut Desk, &Ticket) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let mut waiter = self.enter(pools, pool, key, may_join, work)?;
        let answered = waiter.answer.wait_for(Option::is_some);
        let outcome = tokio::time::timeout(pool.plan().timeout, answered).await;
        let outcome = outcome.map(|answer| answer.ok().and_then(|answer| answer.clone()));
        waiter.overdue = outcome.is_err();
        let (answer, order) = outcome.map_err(|_| overdue(pool))?.ok_or_else(closing)?;
        note_order(order);
        answer
    }

    fn enter<'a>(
        &'a self,
        pools: &'a Pools,
        pool: Pool,
        key: K,
        may_join: impl Fn(&Ticket) -> bool,
        work: impl FnOnce(&mut Desk, &Ticket) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Waiter<'a, K, T>, Problem> {
        let mut asked = locked(&self.asked);
        let others = asked
            .get(&key)
            .filter(|asked| !asked.ticket.is_given_up() && may_join(&asked.ticket));
        let (ticket, waiting, answer) = match others {
            Some(others) => {
                others.waiting.fetch_add(1, Ordering::SeqCst);
                self.joined.fetch_add(1, Ordering::Relaxed);
                (
                    Arc::clone(&others.ticket),
                    Arc::clone(&others.waiting),
                    others.answer.clone(),
                )
            }
            None => {
                let ticket = Arc::new(Ticket::default());
                let (sender, answer) = watch::channel(None);
                let (all, of, mine) = (Arc::clone(&self.asked), key.clone(), Arc::clone(&ticket));
                pools.queue(pool, &ticket, move |desk, ticket| {
                    let answer = work(desk, ticket);
                    Box::new(move |order| {
                        forget(&mut locked(&all), &of, &mine);
                        sender.send_replace(Some((answer, order)));
                    })
                })?;
                let waiting = Arc::new(AtomicUsize::new(1));
                let begun = Asked {
                    ticket: Arc::clone(&ticket),
                    waiting: Arc::clone(&waiting),
                    answer: answer.clone(),
                };
                asked.insert(key.clone(), begun);
                (ticket, waiting, answer)
            }
        };
        Ok(Waiter {
            of: self,
            pools,
            pool,
            key,
            ticket,
            waiting,
            answer,
            overdue: false,
        })
    }
}

/// One of those who wait; the last one to leave before there is an answer gives the question up.
struct Waiter<'a, K: Eq + Hash, T> {
    of: &'a Together<K, T>,
    pools: &'a Pools,
    pool: Pool,
    key: K,
    ticket: Arc<Ticket>,
    waiting: Arc<AtomicUsize>,
    answer: watch::Receiver<Answer<T>>,
    overdue: bool,
}

impl<K: Eq + Hash, T> Drop for Waiter<'_, K, T> {
    fn drop(&mut self) {
        let mut asked = locked(&self.of.asked); // nobody joins meanwhile
        let last = self.waiting.fetch_sub(1, Ordering::SeqCst) == 1;
        let answered = self.answer.borrow().is_some() || self.answer.has_changed().is_err();
        if !last || answered {
            return;
        }
        forget(&mut asked, &self.key, &self.ticket);
        drop(asked);
        self.pools.give_up(self.pool, &self.ticket, self.overdue);
    }
}
