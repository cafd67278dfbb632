//! Bakes the commit into the build: GPU machines and archives have no git.

use std::path::Path;
use std::process::Command;

fn main() {
    // A path that is not there would make every build run this again.
    for path in [".git/HEAD", ".git/refs"].into_iter().filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    for path in ["src", "build.rs", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    // The snapshot library otherwise asks cargo for the workspace at run time; every path that it
    // gets from us is absolute, so any root will do.
    println!("cargo::rustc-env=INSTA_WORKSPACE_ROOT=.");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        // Nothing but candle calls the driver, and the linker drops what our own objects do not name.
        println!("cargo::rustc-link-arg=-Wl,--no-as-needed,-lcuda,--as-needed");
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    println!("cargo::rustc-env=SIMGATE_COMMIT={commit}");
    // Of what goes into the build; cases and baselines do not.
    let code = ["src", "build.rs", "Cargo.toml", "Cargo.lock"];
    let status = ["status", "--porcelain", "--untracked-files=all", "--"];
    if git(&[&status[..], &code[..]].concat()).is_none_or(|s| !s.is_empty()) {
        println!("cargo::rustc-env=SIMGATE_DIRTY=1");
    }
}

/// The output of a git command in this package's own repository.
fn git(args: &[&str]) -> Option<String> {
    // A package unpacked inside somebody's checkout must not take on their commit.
    if !Path::new(".git").exists() {
        return None;
    }
    let output = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
