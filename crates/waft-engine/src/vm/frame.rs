//! Arguments and results in a call frame, by the shared convention.
//!
//! # Invariants
//!
//! * **F1** A frame's `stack` and its result area are valid for the bytes that the frame or its user states, as long as
//!   the frame is; every access here is checked against that.
//!
//! # Elsewhere
//!
//! What moves a frame into registers and back: `stub/`.

use super::raw::RawVal;
use super::stub::VmCallFrame;
use std::marker::PhantomData;
use waft_core::convention::{self, AREA_SLOT_BYTES, ArgPlaces, Place, ResultPlaces, Results};
use waft_core::types::{FuncSig, ValType};

/// What the convention makes of a signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallShape {
    pub(super) results: Results,
    pub(super) stack_bytes: u32,
    pub(super) area_bytes: u32,
    pub(super) uses_floats: bool,
}

impl CallShape {
    /// The call shape of a signature.
    pub(crate) fn of(sig: &FuncSig) -> Self {
        let results = Results::of(sig.results());
        let mut places = ArgPlaces::new(results);
        for ty in sig.params() {
            places.next(*ty);
        }
        let area_bytes = match results {
            Results::Registers => 0,
            Results::Area => (sig.results().len() * AREA_SLOT_BYTES) as u32,
        };
        let uses_floats = places.uses_floats() || sig.results().iter().any(|ty| convention::is_float(*ty));
        Self { results, stack_bytes: places.stack_bytes(), area_bytes, uses_floats }
    }
}

/// Memory of the host that a frame points to: stack arguments or a result area.
#[derive(Clone, Copy)]
struct Spill {
    at: *mut u8,
    bytes: u32,
}

impl Spill {
    /// # Safety
    ///
    /// * `at` is valid for reads and writes of `bytes` bytes, at least 8-aligned, as long as the value is used (F1).
    unsafe fn new(at: *mut u8, bytes: u32) -> Self {
        Self { at, bytes }
    }

    fn place(self, offset: u32, ty: ValType) -> *mut u8 {
        let size = if ty.is_v128() { 16 } else { 8 };
        assert!(
            offset + size <= self.bytes,
            "a place outside of the call's frame: the signature was not checked"
        );
        self.at.wrapping_add(offset as usize)
    }

    fn read(self, offset: u32, ty: ValType) -> RawVal {
        let at = self.place(offset, ty);
        RawVal(if ty.is_v128() {
            // SAFETY: in bounds by `place`, valid by F1; unaligned reads ask no more.
            unsafe { at.cast::<u128>().read_unaligned() }
        } else {
            // SAFETY: as above.
            u128::from(unsafe { at.cast::<u64>().read_unaligned() })
        })
    }

    fn write(self, offset: u32, ty: ValType, value: RawVal) {
        let at = self.place(offset, ty);
        if ty.is_v128() {
            // SAFETY: in bounds by `place`, valid by F1; unaligned writes ask no more.
            unsafe { at.cast::<u128>().write_unaligned(value.0) }
        } else {
            // SAFETY: as above.
            unsafe { at.cast::<u64>().write_unaligned(value.0 as u64) }
        }
    }
}

/// Reads the arguments that a guest passed, in order.
pub(crate) struct ArgReader<'a> {
    frame: &'a VmCallFrame,
    stack: Spill,
    places: ArgPlaces,
}

impl<'a> ArgReader<'a> {
    /// # Safety
    ///
    /// * A stub filled `frame` for a call of this shape.
    pub(super) unsafe fn new(frame: &'a VmCallFrame, shape: CallShape) -> Self {
        // SAFETY: the stub points `stack` to the incoming stack arguments, of which the shape has so many bytes.
        let stack = unsafe { Spill::new(frame.stack, shape.stack_bytes) };
        Self { frame, stack, places: ArgPlaces::new(shape.results) }
    }

    /// The next argument, which has this type.
    #[inline]
    pub(crate) fn next(&mut self, ty: ValType) -> RawVal {
        match self.places.next(ty) {
            Place::Int(at) => RawVal(u128::from(self.frame.ints[at as usize])),
            Place::Float(at) => RawVal(self.frame.floats[at as usize]),
            Place::Stack(offset) => self.stack.read(offset, ty),
            Place::Area(_) => unreachable!("arguments do not travel in an area"),
        }
    }
}

/// Writes the results of a host function, in order.
pub(crate) struct ResultWriter<'a> {
    frame: *mut VmCallFrame,
    area: Spill,
    places: ResultPlaces,
    life: PhantomData<&'a mut VmCallFrame>,
}

impl<'a> ResultWriter<'a> {
    /// # Safety
    ///
    /// * A stub filled `frame` for a call of this shape, and nobody else writes to it.
    pub(super) unsafe fn new(frame: &'a mut VmCallFrame, shape: CallShape) -> Self {
        // SAFETY: the convention has the caller pass the address of an area of this size in the second register.
        let area = unsafe { Spill::new(frame.ints[1] as *mut u8, shape.area_bytes) };
        Self { frame, area, places: ResultPlaces::new(shape.results), life: PhantomData }
    }

    /// The next result, which has this type.
    #[inline]
    pub(crate) fn next(&mut self, ty: ValType, value: RawVal) {
        let frame = self.frame;
        match self.places.next(ty) {
            // SAFETY: `new` took the frame mutably for this lifetime.
            Place::Int(at) => unsafe { (*frame).int_results[at as usize] = value.0 as u64 },
            // SAFETY: as above.
            Place::Float(at) => unsafe { (*frame).floats[at as usize] = value.0 },
            Place::Area(offset) => self.area.write(offset, ty, value),
            Place::Stack(_) => unreachable!("results do not travel on the stack"),
        }
    }
}

/// A call from the host: writes its arguments, then reads its results.
pub(super) struct OutgoingCall {
    pub(super) frame: VmCallFrame,
    stack: Vec<u128>,
    area: Vec<u128>,
    shape: CallShape,
}

impl OutgoingCall {
    /// A call of this shape; vectors are allocated only for what finds no register.
    pub(super) fn new(shape: CallShape) -> Self {
        let stack = vec![0; shape.stack_bytes as usize / 16];
        let area = vec![0; shape.area_bytes as usize / 16];
        let mut call = Self { frame: VmCallFrame::zeroed(), stack, area, shape };
        call.frame.stack = call.stack.as_mut_ptr().cast();
        call.frame.stack_bytes = shape.stack_bytes as usize;
        if shape.results == Results::Area {
            call.frame.ints[1] = call.area.as_mut_ptr() as u64;
        }
        call
    }

    /// To write the arguments in order.
    #[inline]
    pub(super) fn args(&mut self) -> ArgWriter<'_> {
        // SAFETY: `stack` has so many bytes, and is not touched otherwise until the call.
        let stack = unsafe { Spill::new(self.frame.stack, self.shape.stack_bytes) };
        ArgWriter { frame: &mut self.frame, stack, places: ArgPlaces::new(self.shape.results) }
    }

    /// To read the results in order, once the call has returned.
    #[inline]
    pub(super) fn results(&mut self) -> ResultReader<'_> {
        // SAFETY: `area` has so many bytes; the guest is done with it.
        let area = unsafe { Spill::new(self.area.as_mut_ptr().cast(), self.shape.area_bytes) };
        ResultReader { frame: &self.frame, area, places: ResultPlaces::new(self.shape.results) }
    }
}

/// Writes the arguments of a call into a guest, in order.
pub(crate) struct ArgWriter<'a> {
    frame: &'a mut VmCallFrame,
    stack: Spill,
    places: ArgPlaces,
}

impl ArgWriter<'_> {
    /// The next argument, which has this type.
    #[inline]
    pub(crate) fn next(&mut self, ty: ValType, value: RawVal) {
        match self.places.next(ty) {
            Place::Int(at) => self.frame.ints[at as usize] = value.0 as u64,
            Place::Float(at) => self.frame.floats[at as usize] = value.0,
            Place::Stack(offset) => self.stack.write(offset, ty, value),
            Place::Area(_) => unreachable!("arguments do not travel in an area"),
        }
    }
}

/// Reads the results of a call, in order.
pub(crate) struct ResultReader<'a> {
    frame: &'a VmCallFrame,
    area: Spill,
    places: ResultPlaces,
}

impl<'a> ResultReader<'a> {
    /// Reads the results that a host function wrote into a stub's frame.
    ///
    /// # Safety
    ///
    /// * A stub filled `frame` for a call of this shape and the host function has written its results.
    pub(super) unsafe fn new(frame: &'a VmCallFrame, shape: CallShape) -> Self {
        // SAFETY: as in `ResultWriter::new`.
        let area = unsafe { Spill::new(frame.ints[1] as *mut u8, shape.area_bytes) };
        Self { frame, area, places: ResultPlaces::new(shape.results) }
    }

    /// The next result, which has this type.
    #[inline]
    pub(crate) fn next(&mut self, ty: ValType) -> RawVal {
        match self.places.next(ty) {
            Place::Int(at) => RawVal(u128::from(self.frame.int_results[at as usize])),
            Place::Float(at) => RawVal(self.frame.floats[at as usize]),
            Place::Area(offset) => self.area.read(offset, ty),
            Place::Stack(_) => unreachable!("results do not travel on the stack"),
        }
    }
}
