//! Compiles the .proto files with protox: no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["handfast.proto", "resource_manager.proto"], ["proto"])?;
    // Thrice as large as any other answer: each would take its room, and be moved with it.
    let build = tonic_prost_build::configure().bytes(".").boxed("Reply.answer.received");
    build.codec_path("crate::SparingCodec").compile_fds(descriptors)?;
    Ok(())
}
