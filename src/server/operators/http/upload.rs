//! What is sent along with a request: a short text, or a file.

use super::PIECE_BYTES;
use crate::server::operators::upload::Upload;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};
use tokio::{task::spawn_blocking, time::timeout};

/// A text may be so long, in bytes.
const TEXT_BYTES: usize = 64 << 10;

/// The next piece of a body; `None` at its end.
async fn next(body: &mut Incoming, idle: Option<Duration>) -> io::Result<Option<Bytes>> {
    loop {
        let frame = match idle {
            Some(idle) => timeout(idle, body.frame()).await.map_err(|_| io::ErrorKind::TimedOut)?,
            None => body.frame().await,
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(io::Error::other(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A short text.
///
/// # Errors
/// It is not short, or does not come.
pub(super) async fn text(mut body: Incoming, idle: Option<Duration>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    while let Some(piece) = next(&mut body, idle).await? {
        text.extend_from_slice(&piece);
        if text.len() > TEXT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(text)
}

/// Puts a body into a file.
///
/// # Errors
/// The disk does not take it, or it does not come.
pub(super) async fn file(mut body: Incoming, path: PathBuf, idle: Option<Duration>) -> io::Result<Upload> {
    let mut file = File::create(&path)?;
    let upload = Upload::of(path);
    let mut waiting = BytesMut::new();
    let mut is_whole = false;
    while !is_whole {
        match next(&mut body, idle).await? {
            Some(piece) => waiting.extend_from_slice(&piece),
            None => is_whole = true,
        }
        if is_whole || waiting.len() >= PIECE_BYTES {
            let piece = waiting.split();
            let written = spawn_blocking(move || {
                file.write_all(&piece)?;
                if is_whole {
                    file.sync_all()?;
                }
                Ok::<_, io::Error>(file)
            });
            file = written.await.map_err(io::Error::other)??;
        }
    }
    Ok(upload)
}
