//! The .proto files, what is generated from them, and the conversions to and from the words of `handfast-protocol` that
//! clients and servers share.

#[allow(missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("handfast.v1");
}

mod codec;
mod convert;
mod sent;

pub use codec::{SparingCodec, SparingEncoder};
pub use convert::Malformed;
