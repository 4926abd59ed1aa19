// Matrix product of a pointwise convolution over all beats at once: a column is one sample of one
// beat. A workgroup computes 32 output channels by 64 columns, a thread 4 by 4 of them, in steps of
// 16 input channels held in workgroup memory (6 KiB). The file that says how an input value comes
// about (`value`) is put before this one.

override IN_CHANNELS: u32;
override OUT_CHANNELS: u32;
override OUT_TIME: u32;
override WEIGHTS: u32;
// Beats there is room for; a batch may end anywhere in a tile.
override CAPACITY: u32;
override RELU: bool;
override ADD: bool;

const ROWS = 32u;
const COLUMNS = 64u;
const DEPTH = 16u;
const THREADS = 128u;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
// What ADD adds: the input of the residual block.
@group(0) @binding(3) var<storage, read> residual: array<f32>;

var<workgroup> inputs: array<f32, 1024>;
var<workgroup> matrix: array<f32, 512>;

@compute @workgroup_size(128)
fn run(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first_column = group.x * COLUMNS;
    let first_row = group.y * ROWS;
    let column = (thread % 16u) * 4u;
    let row = (thread / 16u) * 4u;
    var sums: array<vec4<f32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        sums[i] = vec4<f32>(0.0);
    }
    for (var base = 0u; base < IN_CHANNELS; base += DEPTH) {
        for (var i = thread; i < DEPTH * COLUMNS; i += THREADS) {
            let channel = base + i / COLUMNS;
            let at = first_column + i % COLUMNS;
            var loaded = 0.0;
            if (channel < IN_CHANNELS && at < CAPACITY * OUT_TIME) {
                loaded = value(at / OUT_TIME, channel, at % OUT_TIME);
            }
            inputs[i] = loaded;
        }
        for (var i = thread; i < DEPTH * ROWS; i += THREADS) {
            let channel = base + i % DEPTH;
            let out = first_row + i / DEPTH;
            var loaded = 0.0;
            if (channel < IN_CHANNELS && out < OUT_CHANNELS) {
                loaded = parameters[WEIGHTS + out * IN_CHANNELS + channel];
            }
            matrix[(i % DEPTH) * ROWS + i / DEPTH] = loaded;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let at = k * COLUMNS + column;
            let x = vec4<f32>(inputs[at], inputs[at + 1u], inputs[at + 2u], inputs[at + 3u]);
            let w = k * ROWS + row;
            sums[0] += matrix[w] * x;
            sums[1] += matrix[w + 1u] * x;
            sums[2] += matrix[w + 2u] * x;
            sums[3] += matrix[w + 3u] * x;
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        let out = first_row + row + i;
        for (var j = 0u; j < 4u; j++) {
            let at = first_column + column + j;
            if (out < OUT_CHANNELS && at < CAPACITY * OUT_TIME) {
                let to = ((at / OUT_TIME) * OUT_CHANNELS + out) * OUT_TIME + at % OUT_TIME;
                var sum = sums[i][j] + parameters[WEIGHTS + OUT_CHANNELS * IN_CHANNELS + out];
                if (RELU) {
                    sum = max(sum, 0.0);
                }
                if (ADD) {
                    sum += residual[to];
                }
                output[to] = sum;
            }
        }
    }
}
