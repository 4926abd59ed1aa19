//! Links `ads1292` with a panic handler of its own: were the standard library anywhere in it, there would be two.

#![no_std]

use ads1292::{FRAME_BYTES, Frame};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The first channel's code in a frame, or the smallest number where it is none.
#[unsafe(no_mangle)]
pub extern "C" fn first_code(bytes: &[u8; FRAME_BYTES]) -> i32 {
    Frame::parse(bytes).map_or(i32::MIN, |frame| frame.codes[0])
}
