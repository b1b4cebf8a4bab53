//! The project's own tools. One file per task; each says what it does and, when
//! it cannot, what is missing and how to get it.

mod ebpf;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

#[derive(Parser)]
#[command(name = "xtask", about = "The project's own tools")]
enum Task {
    /// Build the eBPF programs into target/ebpf
    Ebpf,
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Ebpf => ebpf::build(&root()?),
    }
}

/// The workspace's folder.
fn root() -> Result<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let parent = manifest.parent().context("xtask has no folder above it")?;
    Ok(parent.to_owned())
}
