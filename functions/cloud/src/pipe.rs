//! Bytes between the network, which waits without a thread, and the pipeline, which works on threads of its own.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::bucket::{Bucket, Pin};
use crate::error::Error;
use crate::upload::{Upload, Uploaded};

/// Chunks on their way: enough that neither side waits for the other's every step, little enough to stay flat in memory.
const CHUNKS: usize = 64;

/// Bytes that are collected before they are handed to an upload.
const WRITE_BYTES: usize = 256 * 1024;

/// An object's bytes for one who reads them elsewhere.
pub struct Source {
    chunks: Receiver<Result<Bytes, Error>>,
    current: Bytes,
}

/// What fetches the bytes of a [`Source`].
pub struct Feed {
    chunks: Sender<Result<Bytes, Error>>,
}

/// Both ends.
pub fn source() -> (Feed, Source) {
    let (sender, chunks) = channel(CHUNKS);
    (Feed { chunks: sender }, Source { chunks, current: Bytes::new() })
}

impl Feed {
    /// Sends an object, or a range of it, until its end or until nobody reads on. An error reaches the reader.
    pub async fn object(self, bucket: &Bucket, key: &str, range: Option<(u64, u64)>, pin: Pin) {
        // An empty range cannot be asked for.
        if range.is_some_and(|(start, end)| start >= end) {
            return;
        }
        let mut body = match bucket.open(key, range, &pin).await {
            Ok(body) => body,
            Err(error) => return self.end(error).await,
        };
        loop {
            match bucket.next_chunk(key, &mut body).await {
                Ok(None) => return,
                Ok(Some(chunk)) => {
                    if self.chunks.send(Ok(chunk)).await.is_err() {
                        return;
                    }
                }
                Err(error) => return self.end(error).await,
            }
        }
    }

    async fn end(self, error: Error) {
        // Nobody reading means that somebody else has failed already.
        drop(self.chunks.send(Err(error)).await);
    }
}

/// Waits on the calling thread, which must not be one of the runtime's own.
impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(chunk) => self.current = chunk.map_err(io::Error::other)?,
            }
        }
        let read = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

/// The error of ours that a read or a write failed with.
pub fn cause(error: io::Error) -> Result<Error, io::Error> {
    error.downcast::<Error>()
}

/// Bytes written elsewhere, for an upload.
pub struct Sink {
    chunks: Sender<Bytes>,
    buffer: BytesMut,
}

/// What uploads the bytes of a [`Sink`].
pub struct Drain {
    chunks: Receiver<Bytes>,
}

/// Both ends.
pub fn sink() -> (Sink, Drain) {
    let (sender, chunks) = channel(CHUNKS);
    (Sink { chunks: sender, buffer: BytesMut::new() }, Drain { chunks })
}

impl Drain {
    /// Uploads until the sink is closed; the object is not visible before [`Upload::finish`].
    pub async fn into_upload<'b>(mut self, mut upload: Upload<'b>) -> Drained<'b> {
        while let Some(chunk) = self.chunks.recv().await {
            if let Err(error) = upload.write(chunk).await {
                return Drained { upload, error: Some(error) };
            }
        }
        Drained { upload, error: None }
    }
}

/// An upload that has got all its bytes, or an error.
pub struct Drained<'b> {
    upload: Upload<'b>,
    error: Option<Error>,
}

impl Drained<'_> {
    pub async fn finish(self) -> Result<Uploaded, Error> {
        match self.error {
            None => self.upload.finish().await,
            Some(error) => {
                self.upload.abort().await;
                Err(error)
            }
        }
    }

    /// Leaves nothing behind; says what the upload had failed with, if it had.
    pub async fn abort(self) -> Option<Error> {
        self.upload.abort().await;
        self.error
    }
}

/// Waits on the calling thread, which must not be one of the runtime's own. The last bytes go with [`Write::flush`].
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.chunks.blocking_send(chunk).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the upload has failed"))
    }
}
