//! How messages become bytes of a stream: as prost writes them, with room for what is written and no more. tonic's own codec
//! keeps 8 KiB for each direction of a stream that may be silent for days, and lets a large message grow by doubling.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

/// What a stream has at hand before it is used.
const BUFFER_BYTES: usize = 512;

/// Messages are put together up to here before they leave, as tonic does it.
const LEAVES_AT_BYTES: usize = 32 << 10;

/// Writes `T` and reads `U`.
#[derive(Debug, Clone)]
pub struct SparingCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SparingCodec<T, U> {
    fn default() -> Self {
        SparingCodec(PhantomData)
    }
}

impl<T, U> Codec for SparingCodec<T, U>
where
    T: Message + 'static,
    U: Message + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = SparingEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> SparingEncoder<T> {
        SparingEncoder(PhantomData)
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstDecoder::new(settings())
    }
}

#[derive(Debug, Clone)]
pub struct SparingEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for SparingEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.encoded_len());
        item.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, LEAVES_AT_BYTES)
}
