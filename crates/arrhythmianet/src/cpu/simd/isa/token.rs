//! What every instruction set offers, and what is run on it.

/// Token of an instruction set with vectors of float32.
///
/// # Safety
/// [`Isa::F32`] is [`Isa::LANES`] consecutive `f32` and nothing else: no padding, and every bit
/// pattern of the lanes is a value. Likewise [`Isa::I32`] of [`Isa::LANES`] consecutive `i32`.
#[expect(
    unsafe_code,
    reason = "vectors are viewed as scalars, which rests on their layout"
)]
pub(in super::super) unsafe trait Isa:
    Copy + Send + Sync + 'static
{
    /// A vector of float32.
    type F32: Copy + Send + Sync + 'static;

    /// Values in a vector.
    const LANES: usize;

    /// Vector registers of the processor: bounds the sums a kernel keeps at once.
    const REGISTERS: usize;

    /// Whether products that look for zeros among their inputs and skip them are faster.
    const SKIPS_ZEROS: bool;

    /// Whether products skip groups of weights that are zero (block sparsity). That takes kernels of its own,
    /// which the sets that are not there for speed do without.
    const SKIPS_ZERO_BLOCKS: bool;

    /// The token, where this processor has the instructions.
    fn detect() -> Option<Self>;

    /// Runs `kernel` compiled for this instruction set.
    fn run<K: Kernel<Self>>(self, kernel: K);

    /// All lanes the same value.
    fn splat(self, value: f32) -> Self::F32;

    /// `a * b + c`, rounded once where the processor can.
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;

    /// `a + b`.
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `a * b`.
    fn multiply(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `a - b`.
    fn subtract(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `1 / a` to 4e-4 of itself, for |a| from 1e-37 to 1e37; an infinity of zero.
    fn reciprocal(self, a: Self::F32) -> Self::F32;

    /// Two vectors from one: the lower and the upper halves of its lanes, each the upper half of a
    /// float32.
    fn unpack(self, packed: Self::F32) -> [Self::F32; 2];

    /// The larger of each two lanes; that of `b` where `a` is no number.
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// The smaller of each two lanes; that of `b` where `a` is no number.
    fn smaller(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// Lanes of `then` where `a` is above `limit`, of `otherwise` elsewhere.
    fn where_above(
        self,
        a: Self::F32,
        limit: Self::F32,
        then: Self::F32,
        otherwise: Self::F32,
    ) -> Self::F32;

    /// Negative lanes, and those that are no number, become zero.
    #[inline(always)]
    fn relu(self, a: Self::F32) -> Self::F32 {
        self.larger(a, self.splat(0.0))
    }

    /// A bit for each lane, lane 0 lowest: set unless the lane is zero.
    fn nonzero(self, a: Self::F32) -> u32;

    /// A vector of 32-bit integers: sums, or four signed bytes per lane.
    type I32: Copy + Send + Sync + 'static;

    /// All lanes the same integer.
    fn splat_i32(self, value: i32) -> Self::I32;

    /// Adds to each lane the products of the four bytes of `inputs`, unsigned, with the lane's four
    /// bytes of `weights`, signed; byte 0 is the lowest. Exact: nothing saturates.
    fn dot(self, sums: Self::I32, inputs: [u8; 4], weights: Self::I32) -> Self::I32;

    /// Integers as float32; exact below 2^24.
    fn to_f32(self, a: Self::I32) -> Self::F32;
}

/// Code written once for every instruction set.
///
/// `eval` has to be `#[inline(always)]` together with all it calls on vectors, and may use no
/// closures on them: only what is inlined into [`Isa::run`] is compiled for the instruction set.
pub(in super::super) trait Kernel<I: Isa> {
    /// Runs it.
    fn eval(self, isa: I);
}

/// The lanes of `vectors` in order.
#[expect(unsafe_code, reason = "a view of the same memory as another type")]
pub(in super::super) fn scalars<I: Isa>(vectors: &[I::F32]) -> &[f32] {
    const { assert!(size_of::<I::F32>() == I::LANES * size_of::<f32>()) };
    let len = vectors.len() * I::LANES;
    // SAFETY: by the contract of `Isa` each vector is LANES consecutive f32, so the slice is `len`
    // initialised f32, aligned at least as f32 are, borrowed as long as `vectors`.
    unsafe { std::slice::from_raw_parts(vectors.as_ptr().cast(), len) }
}

/// The lanes of `vectors` in order, to be written.
#[expect(unsafe_code, reason = "a view of the same memory as another type")]
pub(in super::super) fn integers_mut<I: Isa>(vectors: &mut [I::I32]) -> &mut [i32] {
    const { assert!(size_of::<I::I32>() == I::LANES * size_of::<i32>()) };
    let len = vectors.len() * I::LANES;
    // SAFETY: as in `scalars`, with i32 for f32; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), len) }
}

/// The lanes of `vectors` in order, to be written.
#[expect(unsafe_code, reason = "a view of the same memory as another type")]
pub(in super::super) fn scalars_mut<I: Isa>(vectors: &mut [I::F32]) -> &mut [f32] {
    const { assert!(size_of::<I::F32>() == I::LANES * size_of::<f32>()) };
    let len = vectors.len() * I::LANES;
    // SAFETY: as in `scalars`; any f32 written is a valid lane, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), len) }
}

/// Methods of [`Isa`] that are an instruction or a few of them: the operands, the result, and how it comes
/// about.
macro_rules! instructions {
    ($($method:ident($($operand:ident: $type:ty),+) -> $result:ty = $code:expr;)+) => {$(
        #[inline(always)]
        fn $method(self, $($operand: $type),+) -> $result {
            // SAFETY: the token exists only where `detect` found the instructions.
            unsafe { $code }
        }
    )+};
}
pub(super) use instructions;
