//! From a layer's time steps back to the samples of the window.
//!
//! Each time step stands where its receptive field is centred: with odd kernels padded by half, time
//! step `k` of a layer of stride `s` is centred on sample `k * s` exactly, so nothing is stretched to
//! the window's edges. Between the centres runs a shape-preserving cubic (Fritsch and Carlson 1980,
//! slopes after Fritsch and Butland 1984): it passes through every value, is monotone where the values
//! are, and so makes no peak, dip or ringing that the layer did not have. Beyond the last centre the
//! last value stays.

/// Brings `nodes`, whose first is centred on sample 0 and each next one `samples / nodes.len()` later,
/// to `samples` samples.
pub(super) fn upsample(nodes: &[f32], samples: usize) -> Vec<f32> {
    if nodes.len() >= samples || nodes.is_empty() {
        return nodes.to_vec();
    }
    let step = samples as f32 / nodes.len() as f32;
    let slopes = slopes(nodes);
    (0..samples)
        .map(|sample| {
            let place = sample as f32 / step;
            let left = sample * nodes.len() / samples;
            let Some(&next) = nodes.get(left + 1) else {
                return nodes[left];
            };
            let t = place - left as f32;
            let (t2, t3) = (t * t, t * t * t);
            (2.0 * t3 - 3.0 * t2 + 1.0) * nodes[left]
                + (t3 - 2.0 * t2 + t) * slopes[left]
                + (3.0 * t2 - 2.0 * t3) * next
                + (t3 - t2) * slopes[left + 1]
        })
        .collect()
}

/// Slope at each node: the harmonic mean of the differences beside it, zero at a peak and at the ends.
fn slopes(nodes: &[f32]) -> Vec<f32> {
    let mut slopes = vec![0.0; nodes.len()];
    for (slope, three) in slopes.iter_mut().skip(1).zip(nodes.windows(3)) {
        let (before, after) = (three[1] - three[0], three[2] - three[1]);
        if before * after > 0.0 {
            *slope = 2.0 * before * after / (before + after);
        }
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::upsample;

    #[test]
    fn values_stay_and_nothing_is_added_between_them() {
        let nodes = [0.0, 1.0, 5.0, 5.0, -2.0, -1.0, 0.5, 0.25];
        let found = upsample(&nodes, 128);
        assert_eq!(found.len(), 128);
        for (k, node) in nodes.iter().enumerate() {
            assert!((found[16 * k] - node).abs() < 1e-6, "node {k}");
        }
        for (k, pair) in nodes.windows(2).enumerate() {
            let (low, high) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
            let between = &found[16 * k..=16 * (k + 1)];
            assert!(
                between
                    .iter()
                    .all(|&value| (low - 1e-6..=high + 1e-6).contains(&value)),
                "{pair:?}: {between:?}"
            );
            let rising = pair[1] >= pair[0];
            assert!(
                between
                    .windows(2)
                    .all(|two| rising && two[1] >= two[0] - 1e-6
                        || !rising && two[1] <= two[0] + 1e-6),
                "{pair:?}: {between:?}"
            );
        }
        assert!(found[112..].iter().all(|value| (value - 0.25).abs() < 1e-6));
        assert_eq!(upsample(&found, 128), found);
    }
}
