use super::*;

/// A smooth bump from `from` to `to` ms, `uv` high.
fn bump(ms: f32, from: f32, to: f32, uv: f32) -> f32 {
    if (from..to).contains(&ms) {
        uv * (1.0 - ((ms - from) / (to - from) * std::f32::consts::TAU).cos()) / 2.0
    } else {
        0.0
    }
}

/// Waves of a beat: from, to in ms, height in µV.
type Drawn = [Option<(f32, f32, f32)>; 5];

fn window(waves: Drawn, noise_uv: f32) -> [f32; WINDOW_SAMPLES] {
    let mut state = 1_u32;
    std::array::from_fn(|k| {
        let ms = (k as f32 - R_INDEX as f32) * 8.0;
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0) * noise_uv;
        let drawn = waves.into_iter().flatten();
        noise
            + drawn
                .map(|(from, to, uv)| bump(ms, from, to, uv))
                .sum::<f32>()
    })
}

/// P, Q, R, S, T of a normal beat; the complex reaches from -44 to 44 ms.
const NORMAL: Drawn = [
    Some((-200.0, -100.0, 120.0)),
    Some((-44.0, -16.0, -150.0)),
    Some((-28.0, 28.0, 1100.0)),
    Some((12.0, 44.0, -250.0)),
    Some((160.0, 380.0, 250.0)),
];

fn near(found: f32, expected: f32, within: f32) {
    assert!(
        (found - expected).abs() <= within,
        "{found}, expected {expected}"
    );
}

#[test]
fn a_normal_beats_waves_are_where_they_were_drawn() {
    for (scale, noise) in [(1.0, 0.0), (1.0, 8.0), (-1.0, 4.0), (0.4, 2.0), (3.0, 10.0)] {
        let drawn = NORMAL.map(|wave| wave.map(|(from, to, uv)| (from, to, uv * scale)));
        let waves = Waves::find(&window(drawn, noise), Some(0.8));
        let (p, qrs, t) = (waves.p.unwrap(), waves.qrs.unwrap(), waves.t.unwrap());
        near(qrs.onset_ms, -44.0, 12.0);
        near(qrs.end_ms.unwrap(), 44.0, 12.0);
        near(p.onset_ms, -200.0, 30.0);
        near(p.peak_ms, -150.0, 12.0);
        near(p.end_ms.unwrap(), -100.0, 30.0);
        near(t.peak_ms, 270.0, 16.0);
        near(t.end_ms.unwrap(), 380.0, 30.0);
        near(t.onset_ms, 160.0, 45.0);
    }
}

#[test]
fn waves_that_are_not_there_are_absent() {
    let mut no_p = NORMAL;
    no_p[0] = None;
    let waves = Waves::find(&window(no_p, 4.0), Some(0.8));
    assert!(waves.p.is_none() && waves.t.is_some(), "{waves:?}");
    let mut no_t = NORMAL;
    no_t[4] = None;
    let waves = Waves::find(&window(no_t, 4.0), Some(0.8));
    assert!(waves.p.is_some() && waves.t.is_none(), "{waves:?}");
    assert_eq!(Waves::find(&[0.0; WINDOW_SAMPLES], None), Waves::default());
    let only_noise = Waves::find(&window([None; 5], 3.0), None);
    assert!(only_noise.p.is_none() && only_noise.t.is_none());
}

/// A beat soon after another: the bump before it is the other's T wave.
#[test]
fn the_t_wave_before_is_no_p_wave() {
    let mut early = NORMAL;
    early[0] = Some((-300.0, -180.0, 250.0));
    assert!(Waves::find(&window(early, 4.0), Some(0.5)).p.is_none());
    assert!(Waves::find(&window(early, 4.0), Some(1.0)).p.is_some());
}

/// Wide, notched, without a P wave, its T wave against it.
#[test]
fn a_wide_beat_is_wide() {
    let drawn = [
        None,
        None,
        Some((-70.0, 50.0, 1500.0)),
        Some((10.0, 110.0, -900.0)),
        Some((150.0, 420.0, 500.0)),
    ];
    let waves = Waves::find(&window(drawn, 4.0), Some(0.6));
    let (qrs, t) = (waves.qrs.unwrap(), waves.t.unwrap());
    near(qrs.onset_ms, -70.0, 16.0);
    near(qrs.end_ms.unwrap(), 110.0, 16.0);
    near(t.peak_ms, 285.0, 20.0);
    near(t.end_ms.unwrap(), 420.0, 40.0);
    assert!(waves.p.is_none());
    let [p, qrs, t] = waves.ranges();
    let (qrs, t) = (qrs.unwrap(), t.unwrap());
    assert!(
        p.is_none() && (qrs.end - t.start).abs() < 1e-3,
        "ST counts to T"
    );
    assert!(qrs.contains(&(R_INDEX as f32)));
}

/// A V beat without an ST segment: the complex falls into its T wave, which returns without a turn.
#[test]
fn a_t_wave_that_the_complex_runs_into_is_found() {
    for scale in [1.0, -1.0, 0.4] {
        let drawn = [
            None,
            None,
            Some((-80.0, 70.0, 1900.0 * scale)),
            Some((20.0, 200.0, -900.0 * scale)),
            Some((60.0, 290.0, -350.0 * scale)),
        ];
        let waves = Waves::find(&window(drawn, 4.0), Some(0.5));
        let (qrs, t) = (waves.qrs.unwrap(), waves.t.unwrap());
        near(t.onset_ms, qrs.end_ms.unwrap(), 5.0);
        near(t.peak_ms, 120.0, 16.0);
        near(t.end_ms.unwrap(), 270.0, 40.0);
    }
}

/// Beats of the five classes as both leads might show them, on wandering baselines and with noise: the
/// limits lie, in the mean and in their spread, where hand marks are asked to be met.
#[test]
fn limits_are_met_whatever_the_class_and_lead() {
    let none = None;
    let p = Some((-210.0, -110.0, 110.0));
    let classes: [(&str, Drawn, [f32; 3]); 7] = [
        ("N", NORMAL, [-44.0, 44.0, 380.0]),
        (
            "N, flat T wave",
            [
                p,
                Some((-40.0, -10.0, -90.0)),
                Some((-24.0, 24.0, 900.0)),
                none,
                Some((180.0, 370.0, 60.0)),
            ],
            [-40.0, 24.0, 370.0],
        ),
        (
            "L",
            [
                p,
                Some((-68.0, 12.0, 800.0)),
                Some((-16.0, 84.0, 950.0)),
                none,
                Some((180.0, 420.0, -300.0)),
            ],
            [-68.0, 84.0, 420.0],
        ),
        (
            "R",
            [
                p,
                Some((-40.0, 36.0, 900.0)),
                Some((20.0, 104.0, -350.0)),
                none,
                Some((170.0, 390.0, 250.0)),
            ],
            [-40.0, 104.0, 390.0],
        ),
        (
            "A",
            [none, NORMAL[1], NORMAL[2], NORMAL[3], NORMAL[4]],
            [-44.0, 44.0, 380.0],
        ),
        (
            "V",
            [
                none,
                Some((-76.0, 60.0, 1600.0)),
                Some((24.0, 128.0, -900.0)),
                none,
                Some((190.0, 440.0, 600.0)),
            ],
            [-76.0, 128.0, 440.0],
        ),
        (
            "V, one phase",
            [
                none,
                Some((-84.0, 84.0, 1300.0)),
                none,
                none,
                Some((140.0, 400.0, -450.0)),
            ],
            [-84.0, 84.0, 400.0],
        ),
    ];
    let mut apart = [const { Vec::new() }; 3];
    for (name, drawn, expected) in classes {
        for (scale, noise) in [(1.0, 4.0), (-1.0, 6.0), (0.5, 3.0), (2.0, 10.0)] {
            for wander_uv in [-120.0, 0.0, 120.0] {
                let drawn = drawn.map(|wave| wave.map(|(from, to, uv)| (from, to, uv * scale)));
                let mut window = window(drawn, noise);
                for (k, uv) in window.iter_mut().enumerate() {
                    *uv += wander_uv * (k as f32 / 60.0).sin();
                }
                let waves = Waves::find(&window, Some(0.9));
                let (qrs, t) = (
                    waves.qrs.unwrap(),
                    waves.t.unwrap_or_else(|| panic!("{name}")),
                );
                let found = [Some(qrs.onset_ms), qrs.end_ms, t.end_ms];
                for ((apart, found), expected) in apart.iter_mut().zip(found).zip(expected) {
                    apart.push(found.unwrap_or_else(|| panic!("{name}")) - expected);
                }
            }
        }
    }
    for (apart, (mean_ms, spread_ms)) in
        apart.iter().zip([(10.0, 12.0), (10.0, 12.0), (15.0, 30.0)])
    {
        let count = apart.len() as f32;
        let mean = apart.iter().sum::<f32>() / count;
        let spread = (apart.iter().map(|ms| (ms - mean).powi(2)).sum::<f32>() / count).sqrt();
        assert!(
            mean.abs() <= mean_ms && spread <= spread_ms,
            "{mean} +- {spread}: {apart:?}"
        );
    }
}

/// A T wave that goes on beyond the window has no end.
#[test]
fn an_end_that_is_not_seen_is_not_told() {
    let mut late = NORMAL;
    late[4] = Some((330.0, 700.0, 300.0));
    let t = Waves::find(&window(late, 0.0), None).t.unwrap();
    assert!(t.end_ms.is_none() && t.onset_ms > 250.0, "{t:?}");
}

/// The next complex, early, is no T wave.
#[test]
fn the_next_complex_is_no_t_wave() {
    let mut next = NORMAL;
    next[0] = Some((400.0, 470.0, 1200.0));
    let t = Waves::find(&window(next, 0.0), None).t.unwrap();
    near(t.peak_ms, 270.0, 16.0);
}

/// No window makes it panic or give waves out of order.
#[test]
fn any_window_gives_waves_in_order() {
    let mut state = 7_u32;
    for _ in 0..2_000 {
        let mut value = 0.0;
        let window: [f32; WINDOW_SAMPLES] = std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let step = f32::from(u16::try_from(state >> 16).unwrap()) - 32_768.0;
            value = 0.8 * value + step / 100.0;
            if state.is_multiple_of(977) {
                f32::MAX
            } else {
                value
            }
        });
        let waves = Waves::find(
            &window,
            Some(f32::from(u16::try_from(state >> 20).unwrap())),
        );
        if let (Some(p), Some(qrs)) = (waves.p, waves.qrs) {
            assert!(p.onset_ms <= p.peak_ms && p.peak_ms <= p.end_ms.unwrap());
            assert!(p.end_ms.unwrap() <= qrs.onset_ms);
        }
        if let (Some(qrs), Some(t)) = (waves.qrs, waves.t) {
            assert!(qrs.end_ms.unwrap() <= t.onset_ms && t.onset_ms <= t.peak_ms);
            assert!(t.end_ms.is_none_or(|end| end >= t.peak_ms));
        }
    }
    for odd in [f32::NAN, f32::INFINITY, f32::MIN] {
        let _ = Waves::find(&[odd; WINDOW_SAMPLES], Some(odd));
    }
}
