//! Answers as HTTP has them.

use super::PIECE_BYTES;
use crate::topics;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, channel::Channel, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue},
};
use std::{
    fs::File,
    io::{self, Read},
};
use tokio::task::{spawn_blocking, spawn_local};

/// What is sent: all of it, or in pieces.
pub(super) type PageBody = UnsyncBoxBody<Bytes, io::Error>;
/// An answer.
pub(super) type Page = Response<PageBody>;

/// The types of what is sent.
pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html;charset=utf-8";
pub(super) const TEXT: &str = "text/plain;charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// A text. `None`: no type is said, as officially in one place.
pub(super) fn text(status: StatusCode, kind: Option<&'static str>, text: String) -> Page {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut page = Response::new(body);
    *page.status_mut() = status;
    if let Some(kind) = kind {
        page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    page
}

/// A page for people that says what is wrong.
pub(super) fn error(status: StatusCode, why: &str) -> Page {
    let name = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    let page = format!(
        "<html>\n<head><title>Error {code} {name}</title></head>\n<body><h2>HTTP ERROR {code} {name}</h2>\n<p>{why}</p>\n</body>\n</html>\n"
    );
    text(status, Some(HTML), page)
}

/// The methods that may be used.
pub(super) fn allow(mut page: Page, methods: &'static str) -> Page {
    page.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    page
}

/// Headers beside those that every page has.
pub(super) fn with_headers(mut page: Page, headers: Vec<(&'static str, String)>) -> Page {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            page.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    page
}

/// A file of so many bytes, in pieces that are read as they are taken.
pub(super) fn file(file: File, len: u64) -> Page {
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(2);
    spawn_local(async move {
        let (mut file, mut left) = (file, len);
        while left > 0 {
            let read = spawn_blocking(move || {
                let mut piece = Vec::new();
                let most = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX).min(left);
                let read = (&mut file).take(most).read_to_end(&mut piece);
                read.map(|_| (file, piece))
            });
            let piece = match read.await {
                Ok(Ok((_, piece))) if piece.is_empty() => {
                    return sender.abort(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Ok((same, piece))) => {
                    file = same;
                    piece
                }
                Ok(Err(error)) => {
                    tracing::error!(target: topics::ADMIN, %error, "a snapshot cannot be read");
                    return sender.abort(error);
                }
                Err(error) => return sender.abort(io::Error::other(error)),
            };
            left -= u64::try_from(piece.len()).unwrap_or(left);
            // Whoever has gone wants no more.
            if sender.send_data(piece.into()).await.is_err() {
                return;
            }
        }
    });
    let mut page = Response::new(body.boxed_unsync());
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
    page.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
    page
}
