//! Table entries as bytes for the kernel.

use iryonet_verdict::{Denial, DropKey, EndpointKey, FragmentKey, FragmentValue, LineCounters};

/// An entry that has the same layout here and in the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(super) struct Raw<T>(pub(super) T);

/// `repr(C)`, without padding, of plain integers.
pub(super) trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($type:ty: $bytes:literal;)*) => { $(
        impl Plain for $type {}
        // The programs are built by another compiler: a change of layout here
        // has to be a change of the layout version too.
        const _: () = assert!(size_of::<$type>() == $bytes);
    )* };
}

plain! {
    Denial: 64;
    DropKey: 12;
    EndpointKey: 16;
    FragmentKey: 32;
    FragmentValue: 24;
    LineCounters: 48;
}

#[allow(unsafe_code, reason = "aya asks for a promise about layout")]
// SAFETY: only types made of integers, `repr(C)` and without padding, are Plain.
unsafe impl<T: Plain> aya::Pod for Raw<T> {}
