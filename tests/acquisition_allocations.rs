//! The acquisition loop allocates nothing while the chip delivers. Alone in its program: counting
//! takes an allocator of its own.

use ads1292::ChipConfig;
use ads1292::simulator::BoardOptions;
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_gateway::acquisition::{
    Acquired, FrameSource, Received, Session, SyntheticEcg, open_simulated, ring,
};

#[test]
fn neither_samples_nor_gaps_nor_an_overflow_allocate() {
    let session = Session {
        start: ClockRelation {
            monotonic: MonotonicNs(0),
            wall: WallUs(0),
        },
        start_by_pin: false,
        leads: Default::default(),
        description: String::new(),
    };
    // Missed edges, a disturbed status nibble, an electrode off.
    let faults = "at 3s missed-drdy for 20ms\nat 4s flip-bits 0\nat 5s lead-off in1p for 1s";
    let board = BoardOptions::new().faults(faults.parse().unwrap());
    let heart = SyntheticEcg::new(70.0, None);
    let config = ChipConfig::default();
    let mut source = open_simulated(&board, config, heart, session, None).unwrap();
    // The last thousand samples find no room: nobody takes anything out.
    let (mut producer, mut consumer) = ring(9_000);
    let counted = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            match source.next() {
                Ok(Some(acquired)) => producer.send(acquired),
                _ => return,
            }
        }
    });
    let (mut samples, mut gaps) = (0, 0);
    while let Received::Acquired(acquired) = consumer.receive(std::time::Duration::ZERO) {
        match acquired {
            Acquired::Sample(_) => samples += 1,
            Acquired::Gap(_) => gaps += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        samples > 8_900 && gaps == 2,
        "{samples} samples, {gaps} gaps"
    );
    assert!(consumer.gauge().level().samples_dropped > 900);
    assert_eq!(counted.count_total, 0, "{counted:?}");
    // The counter counts.
    assert!(
        allocation_counter::measure(|| drop(std::hint::black_box(Box::new(samples)))).count_total
            > 0
    );
}
