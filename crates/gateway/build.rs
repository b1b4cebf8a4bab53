//! Makes sure that the eBPF object which the datapath embeds is there. It is
//! built by another compiler for another target: see `cargo xtask ebpf`.

use std::path::Path;

fn main() -> Result<(), String> {
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ebpf/iryonet-datapath.o");
    println!("cargo:rerun-if-changed={}", object.display());
    let object = object.canonicalize().map_err(|error| {
        format!(
            "the eBPF object {} cannot be read ({error}): build it with `cargo xtask ebpf` first",
            object.display()
        )
    })?;
    println!(
        "cargo:rustc-env=IRYONET_DATAPATH_OBJECT={}",
        object.display()
    );
    Ok(())
}
