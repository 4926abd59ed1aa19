//! What the multiply-add units do at most.

use std::time::Instant;

use arrhythmianet::CpuIsa;

/// Loops between two looks at the clock: about a millisecond each.
const LOOPS: u32 = 4;

/// Floating-point operations a second of `threads` threads in a loop of multiply-adds on registers,
/// over `seconds`.
pub(super) fn measure(isa: CpuIsa, threads: usize, seconds: f64) -> f64 {
    if threads < 2 {
        return alone(isa, seconds);
    }
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| alone(isa, seconds)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0.0))
            .sum()
    })
}

/// The best stretch counts: whatever disturbs only takes.
fn alone(isa: CpuIsa, seconds: f64) -> f64 {
    let start = Instant::now();
    let mut best = 0.0_f64;
    loop {
        let before = Instant::now();
        let operations: u64 = (0..LOOPS).filter_map(|_| isa.multiply_adds()).sum();
        best = best.max(operations as f64 / before.elapsed().as_secs_f64());
        if start.elapsed().as_secs_f64() >= seconds {
            return best;
        }
    }
}
