//! LiteRT with XNNPACK through its C API, the library taken from PyPI's wheel.
//!
//! Declarations follow LiteRT's public headers (`litert/c/*.h`).

use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::null_mut;
use std::rc::Rc;

use crate::contender::{Contender, Task};

type Handle = *mut c_void;
type Status = c_int;

/// `kLiteRtHwAcceleratorCpu`.
const ON_CPU: c_int = 1;
/// `kLiteRtElementTypeFloat32`.
const FLOAT32: c_int = 1;
/// `LITERT_HOST_MEMORY_BUFFER_ALIGNMENT`, in float32.
const ALIGNMENT: usize = 16;
/// Identifier of the options of the CPU's kernels (`LrtGetCpuOptionsIdentifier`).
const CPU_OPTIONS: &CStr = c"xnnpack";

/// `LiteRtRankedTensorType`.
#[repr(C)]
struct TensorType {
    element: c_int,
    /// Rank in the low seven bits, whether there are strides in the eighth.
    rank: u32,
    dimensions: [i32; 8],
    strides: [u32; 8],
}

/// The functions used, with the types of the headers.
macro_rules! functions {
    ($($field:ident: $name:literal ($($argument:ty),*) $(-> $result:ty)?;)*) => {
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }
        impl Functions {
            /// # Safety
            /// `library` is LiteRT, whose headers have these declarations.
            unsafe fn load(library: &libloading::Library) -> Result<Self, libloading::Error> {
                // SAFETY: the caller's promise.
                unsafe { Ok(Self { $($field: *library.get($name)?,)* }) }
            }
        }
    };
}

functions! {
    create_environment: b"LiteRtCreateEnvironment" (c_int, *const c_void, *mut Handle) -> Status;
    create_options: b"LiteRtCreateOptions" (*mut Handle) -> Status;
    set_accelerators: b"LiteRtSetOptionsHardwareAccelerators" (Handle, c_int) -> Status;
    create_opaque: b"LiteRtCreateOpaqueOptions" (
        *const c_char, *mut c_void, Option<unsafe extern "C" fn(*mut c_void)>, *mut Handle
    ) -> Status;
    add_opaque: b"LiteRtAddOpaqueOptions" (Handle, Handle) -> Status;
    destroy_options: b"LiteRtDestroyOptions" (Handle);
    create_model: b"LiteRtCreateModelFromFile" (Handle, *const c_char, *mut Handle) -> Status;
    destroy_model: b"LiteRtDestroyModel" (Handle);
    compile: b"LiteRtCreateCompiledModel" (Handle, Handle, Handle, *mut Handle) -> Status;
    destroy_compiled: b"LiteRtDestroyCompiledModel" (Handle);
    create_buffer: b"LiteRtCreateTensorBufferFromHostMemory" (
        *const TensorType, *mut c_void, usize, Option<unsafe extern "C" fn(*mut c_void)>,
        *mut Handle
    ) -> Status;
    destroy_buffer: b"LiteRtDestroyTensorBuffer" (Handle);
    run: b"LiteRtRunCompiledModel" (
        Handle, usize, usize, *mut Handle, usize, *mut Handle
    ) -> Status;
}

/// The loaded library and its environment, which lives as long as the process.
pub(crate) struct Library {
    functions: Rc<Functions>,
    environment: Handle,
    _library: &'static libloading::Library,
}

impl Library {
    pub(crate) fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        // SAFETY: the file is LiteRT's, as the caller says; it is never unloaded.
        let library: &'static _ = Box::leak(Box::new(unsafe { libloading::Library::new(path)? }));
        // SAFETY: as above.
        let functions = unsafe { Functions::load(library)? };
        let mut environment = null_mut();
        // SAFETY: no options; the result is written to `environment`.
        let status =
            unsafe { (functions.create_environment)(0, std::ptr::null(), &mut environment) };
        ok("LiteRtCreateEnvironment", status)?;
        Ok(Self {
            functions: Rc::new(functions),
            environment,
            _library: library,
        })
    }

    /// Options for the CPU with `threads` threads.
    fn options(&self, threads: usize) -> Result<Handle, Box<dyn Error>> {
        unsafe extern "C" fn free(payload: *mut c_void) {
            // SAFETY: LiteRT hands back, once, what `into_raw` gave it.
            drop(unsafe { CString::from_raw(payload.cast()) });
        }
        let payload = CString::new(format!(
            "kernel_mode = \"delegate\"\nnum_threads = {threads}\n"
        ))?;
        let (mut options, mut opaque) = (null_mut(), null_mut());
        // SAFETY: handles are those just created; the identifier is static; the payload belongs to
        // the options, which belong to what they are added to.
        unsafe {
            ok(
                "LiteRtCreateOptions",
                (self.functions.create_options)(&mut options),
            )?;
            ok(
                "LiteRtSetOptionsHardwareAccelerators",
                (self.functions.set_accelerators)(options, ON_CPU),
            )?;
            let payload = payload.into_raw().cast();
            let status = (self.functions.create_opaque)(
                CPU_OPTIONS.as_ptr(),
                payload,
                Some(free),
                &mut opaque,
            );
            ok("LiteRtCreateOpaqueOptions", status)?;
            ok(
                "LiteRtAddOpaqueOptions",
                (self.functions.add_opaque)(options, opaque),
            )?;
        }
        Ok(options)
    }
}

pub(crate) struct Peer {
    functions: Rc<Functions>,
    model: Handle,
    options: Handle,
    compiled: Handle,
    input: Buffer,
    output: Buffer,
}

impl Peer {
    pub(crate) fn new(library: &Library, task: &Task, file: &Path) -> Result<Self, Box<dyn Error>> {
        let path = CString::new(file.to_str().ok_or("the path is not UTF-8")?)?;
        let functions = &library.functions;
        let input = task.model.description().input;
        let window = [task.batch, 1, input.samples, input.channels];
        let mut peer = Self {
            functions: Rc::clone(functions),
            model: null_mut(),
            options: library.options(task.threads)?,
            compiled: null_mut(),
            input: Buffer::new(functions, &window)?,
            output: Buffer::new(functions, &[task.batch, 5])?,
        };
        peer.input.values().copy_from_slice(task.windows());
        // SAFETY: the environment lives for ever, the path until the call returns, model and
        // options as long as the compiled model.
        unsafe {
            let status =
                (functions.create_model)(library.environment, path.as_ptr(), &mut peer.model);
            ok("LiteRtCreateModelFromFile", status)?;
            let status = (functions.compile)(
                library.environment,
                peer.model,
                peer.options,
                &mut peer.compiled,
            );
            ok("LiteRtCreateCompiledModel", status)?;
        }
        Ok(peer)
    }
}

impl Contender for Peer {
    fn name(&self) -> String {
        "LiteRT/XNNPACK".to_owned()
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        // SAFETY: one input and one output, as the first signature has them; the memory of the
        // buffers is not borrowed.
        let status = unsafe {
            (self.functions.run)(
                self.compiled,
                0,
                1,
                &mut self.input.handle,
                1,
                &mut self.output.handle,
            )
        };
        ok("LiteRtRunCompiledModel", status)
    }

    fn logits(&mut self) -> Result<Vec<f32>, Box<dyn Error>> {
        Ok(self.output.values().to_vec())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SAFETY: created by this library or null, used by nobody afterwards; users first.
        unsafe {
            if !self.compiled.is_null() {
                (self.functions.destroy_compiled)(self.compiled);
            }
            if !self.model.is_null() {
                (self.functions.destroy_model)(self.model);
            }
            (self.functions.destroy_options)(self.options);
        }
    }
}

/// A tensor in memory of our own, aligned as LiteRT asks.
struct Buffer {
    functions: Rc<Functions>,
    handle: Handle,
    memory: Box<[Line]>,
    len: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; ALIGNMENT]);

impl Buffer {
    fn new(functions: &Rc<Functions>, shape: &[usize]) -> Result<Self, Box<dyn Error>> {
        let len = shape.iter().product::<usize>();
        let mut memory = vec![Line([0.0; ALIGNMENT]); len.div_ceil(ALIGNMENT)].into_boxed_slice();
        let mut kind = TensorType {
            element: FLOAT32,
            rank: u32::try_from(shape.len())?,
            dimensions: [0; 8],
            strides: [0; 8],
        };
        for (dimension, &size) in kind.dimensions.iter_mut().zip(shape) {
            *dimension = i32::try_from(size)?;
        }
        let mut handle = null_mut();
        // SAFETY: the memory is aligned, large enough, and lives in its box until after the buffer.
        let status = unsafe {
            (functions.create_buffer)(
                &kind,
                memory.as_mut_ptr().cast(),
                len * size_of::<f32>(),
                None,
                &mut handle,
            )
        };
        ok("LiteRtCreateTensorBufferFromHostMemory", status)?;
        Ok(Self {
            functions: Rc::clone(functions),
            handle,
            memory,
            len,
        })
    }

    fn values(&mut self) -> &mut [f32] {
        // SAFETY: a `Line` is 16 float32 without padding; nobody else writes between two runs.
        let values = unsafe {
            std::slice::from_raw_parts_mut(
                self.memory.as_mut_ptr().cast::<f32>(),
                self.memory.len() * ALIGNMENT,
            )
        };
        &mut values[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: created by this library; the memory goes after it.
        unsafe { (self.functions.destroy_buffer)(self.handle) };
    }
}

fn ok(function: &str, status: Status) -> Result<(), Box<dyn Error>> {
    match status {
        0 => Ok(()),
        status => Err(format!("{function}: status {status}").into()),
    }
}
