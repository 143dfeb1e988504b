//! Compiles `src/fault_env.cc` against the headers of the RocksDB that the workspace links.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=src/fault_env.cc");
    // RocksDB's crate tells where its sources are, also when a library that was built before is linked.
    let sources = env::var_os("DEP_ROCKSDB_CARGO_MANIFEST_DIR").expect("librocksdb-sys tells where its sources are");
    let rocksdb = PathBuf::from(sources).join("rocksdb");
    // The classes are laid out by these: as in the build of the library.
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .define("NDEBUG", "1")
        .define("OS_LINUX", None)
        .define("ROCKSDB_PLATFORM_POSIX", None)
        .define("ROCKSDB_LIB_IO_POSIX", None)
        .define("HAVE_ALIGNED_NEW", None)
        .define("HAVE_UINT128_EXTENSION", None)
        .flag("-include")
        .flag("cstdint")
        .include(rocksdb.join("include"))
        .include(rocksdb)
        .warnings(false)
        .file("src/fault_env.cc")
        .compile("handfast_fault_env");
}
