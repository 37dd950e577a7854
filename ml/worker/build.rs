//! Tells the linker where libtorch lies, so that the worker finds it without `LD_LIBRARY_PATH`.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    let folder = std::env::var("LIBTORCH_LIB").or_else(|_| std::env::var("LIBTORCH"));
    if let Ok(folder) = folder {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}/lib");
    }
}
