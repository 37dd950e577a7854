//! Puts the built dashboard (`web/dist`, or `$TELLEE_WEB_DIST`) into the binary. Without it a page says how to build it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=TELLEE_WEB_DIST");
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist =
        env::var_os("TELLEE_WEB_DIST").map_or_else(|| manifest.join("../web/dist"), PathBuf::from);
    // Watch the folder above as well: the dashboard may be built for the first time later.
    if let Some(parent) = dist.parent() {
        println!(
            "cargo::rerun-if-changed={}",
            parent.join("package-lock.json").display()
        );
    }
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist.canonicalize()?, Path::new(""), &mut files)?;
    }
    files.sort();
    let mut code = String::from("static ASSETS: &[Asset] = &[\n");
    for (name, path) in files
        .iter()
        .filter(|(name, _)| !name.ends_with(".br") && !name.ends_with(".gz"))
    {
        let packed = |suffix: &str| {
            let wanted = format!("{name}{suffix}");
            files
                .iter()
                .find(|(other, _)| *other == wanted)
                .map_or_else(
                    || "None".to_owned(),
                    |(_, path)| format!("Some(include_bytes!({path:?}))"),
                )
        };
        let _ = writeln!(
            code,
            "Asset {{ path: {name:?}, plain: include_bytes!({path:?}), brotli: {}, gzip: {} }},",
            packed(".br"),
            packed(".gz"),
        );
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("web_assets.rs");
    fs::write(out, code)
}

/// All files below `folder`, named by their path from the top with `/`.
fn collect(folder: &Path, below: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &name, files)?;
        } else {
            files.push((name.to_string_lossy().replace('\\', "/"), entry.path()));
        }
    }
    Ok(())
}
