//! Builds the eBPF programs.
//!
//! Two ways lead there. Debian's `rustc-web` brings a prebuilt `core` for
//! bpfel, and its LLVM is the one that Debian's `llvm-*-dev` lets bpf-linker be
//! built with. A rustup nightly with `rust-src` builds `core` itself. Whichever
//! the machine has is used, the first one first.
//!
//! The gateway's object goes to `target/ebpf/iryonet-datapath.o`, from where the
//! gateway embeds it; beside it lies the one that the tests of the translation load.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const TARGET: &str = "bpfel-unknown-none";
/// Crates that are built, each a workspace of its own, by name and folder. The
/// object of each goes to `target/ebpf/NAME.o`.
const CRATES: [(&str, &str); 2] = [
    ("iryonet-datapath", "crates/datapath"),
    ("iryonet-translate-kernel", "crates/translate/kernel"),
];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A compiler that can make eBPF.
enum Compiler {
    /// Debian's rustc-web with libstd-rust-web-dev-bpf.
    Debian,
    /// A rustup nightly with rust-src.
    Nightly,
}

/// Builds the objects, and touches only those that have changed.
pub(crate) fn build(root: &Path) -> Result<()> {
    let compiler = find_compiler()?;
    let linker = find_linker()?;
    let rustc = match compiler {
        Compiler::Debian => output(Command::new(DEBIAN_RUSTC).arg("-vV"))?,
        Compiler::Nightly => output(rustup().args(["rustc", "-vV"]))?,
    };
    let rustc_llvm = llvm_major(&rustc).context("rustc -vV names no LLVM version")?;
    let linker_llvm = linker_llvm(&linker);
    if let Some(linker_llvm) = linker_llvm
        && linker_llvm < rustc_llvm
    {
        bail!(
            "bpf-linker ({}) was built with LLVM {linker_llvm}, but the compiler uses LLVM {rustc_llvm} \
             and an older LLVM cannot read a newer one's bitcode.\n\
             Build bpf-linker again with LLVM {rustc_llvm}: `make setup`, or\n  \
             apt install llvm-{rustc_llvm}-dev && LLVM_PREFIX=/usr/lib/llvm-{rustc_llvm} \
             cargo install --force bpf-linker --no-default-features --features llvm-{rustc_llvm}",
            linker.display()
        );
    }

    for (name, folder) in CRATES {
        build_crate(root, &compiler, &linker, name, folder).with_context(|| {
            let linked =
                linker_llvm.map_or_else(|| "an unknown LLVM".into(), |v| format!("LLVM {v}"));
            format!("{name}: the compiler uses LLVM {rustc_llvm}, bpf-linker {linked}")
        })?;
    }
    Ok(())
}

fn build_crate(
    root: &Path,
    compiler: &Compiler,
    linker: &Path,
    name: &str,
    folder: &str,
) -> Result<()> {
    let mut cargo = match compiler {
        Compiler::Debian => {
            let mut cargo = Command::new("cargo");
            // Debian's rustc is a stable one; E0554 without this.
            cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC);
            cargo
        }
        Compiler::Nightly => {
            let mut cargo = rustup();
            cargo.args(["cargo", "-Z", "build-std=core"]);
            cargo
        }
    };
    let flags = [
        "-Cdebuginfo=2",
        "-Ctarget-cpu=v3",
        "-Clink-arg=--btf",
        "--cfg=bpf_target_arch=\"x86_64\"",
    ];
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(root.join("target/ebpf-build"))
        .current_dir(root.join(folder))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("PATH", path_with(linker.parent())?)
        // Set when xtask itself runs under cargo; they are about this crate.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN");
    if matches!(compiler, Compiler::Nightly) {
        cargo.env_remove("RUSTC");
    }
    let status = cargo.status().context("cargo could not be started")?;
    if !status.success() {
        bail!("building the eBPF programs failed ({status})");
    }

    let built = root
        .join("target/ebpf-build")
        .join(TARGET)
        .join("release")
        .join(name);
    let bytes = std::fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let object = root.join("target/ebpf").join(format!("{name}.o"));
    if std::fs::read(&object).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = object.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
    }
    std::fs::write(&object, bytes).with_context(|| format!("writing {}", object.display()))
}

fn find_compiler() -> Result<Compiler> {
    let debian =
        output(Command::new(DEBIAN_RUSTC).args(["--print", "target-libdir", "--target", TARGET]));
    if debian.is_ok_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Ok(Compiler::Debian);
    }
    let sysroot = output(rustup().args(["rustc", "--print", "sysroot"]));
    if let Ok(sysroot) = sysroot {
        if Path::new(sysroot.trim())
            .join("lib/rustlib/src/rust/library/core")
            .is_dir()
        {
            return Ok(Compiler::Nightly);
        }
        bail!(
            "the rustup nightly has no rust-src: `rustup component add --toolchain nightly rust-src`"
        );
    }
    bail!(
        "no compiler for eBPF was found. One of these is needed; `make setup` installs the first:\n  \
         Debian: apt install rustc-web libstd-rust-web-dev-bpf\n  \
         rustup: rustup toolchain install nightly --component rust-src"
    )
}

fn find_linker() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    std::env::split_paths(&path)
        .chain(home.map(|home| home.join("bin")))
        .map(|folder| folder.join("bpf-linker"))
        .find(|file| file.is_file())
        .context(
            "bpf-linker was not found in PATH or ~/.cargo/bin; `make setup` installs it:\n  \
             apt install llvm-22-dev && LLVM_PREFIX=/usr/lib/llvm-22 \
             cargo install bpf-linker --no-default-features --features llvm-22",
        )
}

/// The LLVM that bpf-linker was built with, as far as it can be known: from the
/// library that it loads, else from what cargo noted when installing it.
fn linker_llvm(linker: &Path) -> Option<u32> {
    if let Ok(libraries) = output(Command::new("ldd").arg(linker))
        && let Some(rest) = libraries.split("libLLVM").nth(1)
    {
        let digits: String = rest
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        if let Ok(major) = digits.parse() {
            return Some(major);
        }
    }
    let notes = std::fs::read_to_string(linker.parent()?.parent()?.join(".crates2.json")).ok()?;
    let mine = notes.split("\"bpf-linker ").nth(1)?;
    let feature = mine.split("\"llvm-").nth(1)?;
    feature.split('"').next()?.parse().ok()
}

fn llvm_major(version: &str) -> Option<u32> {
    let line = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.trim().parse().ok()
}

fn rustup() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]);
    command
}

fn path_with(folder: Option<&Path>) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(folder.map(Path::to_owned));
    std::env::join_paths(folders).context("PATH holds a folder with a separator in its name")
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_tells_its_llvm() {
        assert_eq!(llvm_major("rustc 1.96.0\nLLVM version: 22.1.8\n"), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }
}
