use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// A manager that writes down what it is told.
struct Listener {
    interval: Option<Duration>,
    told: Mutex<Sender<Notice>>,
}

impl ServiceManager for Listener {
    fn watchdog_interval(&self) -> Option<Duration> {
        self.interval
    }

    fn notify(&mut self, notice: &Notice) {
        // The test may have seen enough.
        let _ = self.told.lock().unwrap().send(notice.clone());
    }
}

fn watch(
    live: &SharedLiveStatus,
    threads: Vec<Watched>,
    interval: Option<Duration>,
) -> (Watch, Receiver<Notice>) {
    let (told, heard) = channel();
    let watch = Watch {
        manager: Box::new(Listener {
            interval,
            told: Mutex::new(told),
        }),
        live: live.clone(),
        threads,
        timeout: interval.map(|interval| interval / 2),
        ready: false,
        status: String::new(),
        status_sent: None,
        stuck: None,
    };
    (watch, heard)
}

fn heard(from: &Receiver<Notice>, what: &Notice) -> usize {
    from.try_iter().filter(|notice| notice == what).count()
}

#[test]
fn ready_means_samples_or_a_known_reason() {
    let now = Instant::now();
    type Change = fn(&mut LiveStatus);
    let rows: [(&str, Change, bool); 4] = [
        ("starting", |_| {}, false),
        (
            "recording without a sample",
            |live| live.state = ServiceState::Recording,
            false,
        ),
        (
            "recording",
            |live| {
                live.state = ServiceState::Recording;
                live.samples_received = 1;
            },
            true,
        ),
        (
            "the chip is silent, and we say so",
            |live| live.state = ServiceState::Recovering,
            true,
        ),
    ];
    for (name, change, expected) in rows {
        let live = SharedLiveStatus::default();
        live.update(change);
        let (mut watch, told) = watch(&live, Vec::new(), None);
        watch.check(now);
        watch.check(now);
        assert_eq!(
            heard(&told, &Notice::Ready),
            usize::from(expected),
            "{name}"
        );
    }
}

#[test]
fn a_thread_that_stands_still_starves_the_watchdog() {
    let (moving, hanging) = (Liveness::default(), Liveness::default());
    let threads = vec![
        Watched::new("pipeline", moving.clone()),
        Watched::new("acquisition", hanging.clone()),
    ];
    let interval = Duration::from_secs(20);
    let (mut watch, told) = watch(&SharedLiveStatus::default(), threads, Some(interval));
    let start = Instant::now();
    for second in 1..=30 {
        moving.beat();
        if second <= 5 {
            hanging.beat();
        }
        watch.check(start + Duration::from_secs(second));
    }
    // Alive from second 1 to 15: ten seconds after the last turn is still alive.
    let notices: Vec<Notice> = told.try_iter().collect();
    let alive = notices
        .iter()
        .filter(|notice| **notice == Notice::Alive)
        .count();
    assert_eq!(alive, 15);
    assert_eq!(
        notices.last(),
        Some(&Notice::Status(
            "thread acquisition stands still".to_owned()
        ))
    );
    hanging.beat();
    moving.beat();
    watch.check(start + Duration::from_secs(31));
    assert_eq!(heard(&told, &Notice::Alive), 1, "it moves again");
}

#[test]
fn the_end_is_announced_and_a_reload_is_framed() {
    let (told, heard) = channel();
    let manager = Box::new(Listener {
        interval: None,
        told: Mutex::new(told),
    });
    let asked = Arc::new(AtomicBool::new(true));
    let (reloaded, reloads) = channel();
    let supervision = Supervision::start(
        manager,
        SharedLiveStatus::default(),
        Vec::new(),
        asked,
        move || reloaded.send(()).unwrap(),
    )
    .unwrap();
    reloads.recv_timeout(Duration::from_secs(10)).unwrap();
    drop(supervision);
    let notices: Vec<Notice> = heard.try_iter().collect();
    assert!(matches!(notices[0], Notice::Reloading { monotonic_us } if monotonic_us > 0));
    assert_eq!(notices[1], Notice::Ready);
    assert_eq!(notices.last(), Some(&Notice::Stopping));
}
