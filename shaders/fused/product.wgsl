// The inner product of a pointwise convolution: four output channels by four samples a thread, so
// that each pair of loads feeds sixteen multiply-adds. Weights are one vec4 per input channel and
// group of four output channels, then one vec4 of biases per group. Eight input channels a turn,
// loaded before any is used, hide the way to the weights.

struct Tile {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn added(tile: Tile, weight: vec4<f32>, x: vec4<f32>) -> Tile {
    return Tile(
        tile.a + weight.x * x, tile.b + weight.y * x, tile.c + weight.z * x, tile.d + weight.w * x,
    );
}

// `src` is the quad of the first input channel, `matrix` the group's weights for it.
fn product(src: u32, matrix: u32, in_channels: u32, out_groups: u32, length: u32) -> Tile {
    let zero = vec4<f32>(0.0);
    var tile = Tile(zero, zero, zero, zero);
    var w = matrix;
    var x = src;
    for (var c = 0u; c < in_channels; c += 8u) {
        let w0 = weights[w];
        let w1 = weights[w + out_groups];
        let w2 = weights[w + 2u * out_groups];
        let w3 = weights[w + 3u * out_groups];
        let w4 = weights[w + 4u * out_groups];
        let w5 = weights[w + 5u * out_groups];
        let w6 = weights[w + 6u * out_groups];
        let w7 = weights[w + 7u * out_groups];
        tile = added(tile, w0, act[x]);
        tile = added(tile, w1, act[x + length]);
        tile = added(tile, w2, act[x + 2u * length]);
        tile = added(tile, w3, act[x + 3u * length]);
        tile = added(tile, w4, act[x + 4u * length]);
        tile = added(tile, w5, act[x + 5u * length]);
        tile = added(tile, w6, act[x + 6u * length]);
        tile = added(tile, w7, act[x + 7u * length]);
        w += 8u * out_groups;
        x += 8u * length;
    }
    return tile;
}
