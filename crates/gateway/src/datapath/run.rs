//! Test runs: a packet through a program, without an interface in between
//! (BPF_PROG_TEST_RUN).

use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use iryonet_verdict::DenyReason;

use super::error::DatapathError;
use super::object::Loaded;

/// `struct __sk_buff` of linux/bpf.h: its size, and the fields used here.
const CONTEXT_BYTES: usize = 192;
const CONTEXT_IFINDEX: usize = 40;
const CONTEXT_NOTE: usize = 48;

/// TCX_DROP of linux/bpf.h.
const DROP: u32 = 2;

/// What a program did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned.
    pub action: i32,
    /// Whether that lets the packet pass.
    pub passed: bool,
    /// Why not, as the program noted it.
    pub reason: Option<DenyReason>,
    /// Mean time of one run in the kernel, nanoseconds.
    pub duration_ns: u64,
}

pub(crate) fn test_run(
    loaded: &Loaded,
    name: &'static str,
    ifindex: u32,
    packet: &[u8],
    repeat: u32,
) -> Result<TestRun, DatapathError> {
    let lacks = DatapathError::ObjectLacks {
        what: "program",
        name,
    };
    let program: &SchedClassifier = match loaded.ebpf.program(name) {
        Some(program) => program.try_into().map_err(|_| lacks)?,
        None => return Err(lacks),
    };
    ask(program, name, ifindex, packet, repeat)
}

/// [`test_run`] of a program that was found elsewhere.
pub(super) fn ask(
    program: &SchedClassifier,
    name: &'static str,
    ifindex: u32,
    packet: &[u8],
    repeat: u32,
) -> Result<TestRun, DatapathError> {
    let mut context = [0; CONTEXT_BYTES];
    if let Some(field) = context.get_mut(CONTEXT_IFINDEX..CONTEXT_IFINDEX + 4) {
        field.copy_from_slice(&ifindex.to_ne_bytes());
    }
    let mut context_out = [0; CONTEXT_BYTES];
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(packet),
            ctx_in: Some(&context),
            ctx_out: Some(&mut context_out),
            repeat,
            ..TestRunOptions::default()
        })
        .map_err(|error| DatapathError::Program {
            program: name,
            action: "test run",
            source: Box::new(error),
        })?;
    let passed = result.return_value != DROP;
    let note = context_out.get(CONTEXT_NOTE).copied().unwrap_or(0);
    Ok(TestRun {
        action: result.return_value as i32,
        passed,
        reason: if passed {
            None
        } else {
            DenyReason::from_number(note)
        },
        duration_ns: result.duration.as_nanos() as u64,
    })
}
