// Pointwise convolution. What becomes of the sums:

const LINEAR = 0u;
const RELU = 1u;
// Adds what is at the destination already: the residual connection.
const ADD = 2u;

fn finished(sum: vec4<f32>, at: u32, finish: u32) -> vec4<f32> {
    if (finish == RELU) {
        return max(sum, vec4<f32>(0.0));
    }
    if (finish == ADD) {
        return sum + act[at];
    }
    return sum;
}

fn store_tile(tile: Tile, at: u32, length: u32, bias: vec4<f32>, finish: u32) {
    act[at] = finished(tile.a + bias.x, at, finish);
    act[at + length] = finished(tile.b + bias.y, at + length, finish);
    act[at + 2u * length] = finished(tile.c + bias.z, at + 2u * length, finish);
    act[at + 3u * length] = finished(tile.d + bias.w, at + 3u * length, finish);
}

// From `src` to a `dst` that does not overlap it.
fn pointwise(
    thread: u32, src: u32, dst: u32, matrix: u32,
    in_channels: u32, out_groups: u32, length: u32, finish: u32,
) {
    for (var i = thread; i < out_groups * length; i += THREADS) {
        let quad = i % length;
        let group = i / length;
        let tile = product(src + quad, matrix + group, in_channels, out_groups, length);
        let bias = weights[matrix + in_channels * out_groups + group];
        store_tile(tile, dst + 4u * group * length + quad, length, bias, finish);
    }
}

// From `src` to a `dst` that may overlap it: at most THREADS tiles, and all of the input is read
// before any of the output is written.
fn pointwise_over(
    thread: u32, src: u32, dst: u32, matrix: u32,
    in_channels: u32, out_groups: u32, length: u32, finish: u32,
) {
    let quad = thread % length;
    let group = thread / length;
    let zero = vec4<f32>(0.0);
    var tile = Tile(zero, zero, zero, zero);
    if (group < out_groups) {
        tile = product(src + quad, matrix + group, in_channels, out_groups, length);
    }
    workgroupBarrier();
    if (group < out_groups) {
        let bias = weights[matrix + in_channels * out_groups + group];
        store_tile(tile, dst + 4u * group * length + quad, length, bias, finish);
    }
}
