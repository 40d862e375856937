//! A connection of a session: dialled, and its frames.

use super::stream::names_server;
use bytes::{Buf, Bytes, BytesMut};
use oxkeeper_codec::{
    Encode,
    frame::{PREFIX_LEN, begin_frame, end_frame, next_frame},
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// No answer is longer, in bytes: a listing of a million children is not.
const ANSWER_MAX: usize = 256 << 20;

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A connection that is made.
pub(super) struct Link {
    socket: Box<dyn Socket>,
    input: BytesMut,
}

impl Link {
    /// Dials, and agrees on TLS if there is to be any.
    pub(super) async fn dial(
        host: &str,
        port: u16,
        tls: Option<&(Arc<ClientConfig>, bool)>,
    ) -> io::Result<Self> {
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        let address = socket.peer_addr()?;
        let socket: Box<dyn Socket> = match tls {
            None => Box::new(socket),
            Some((config, checks_names)) => {
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, socket).await?;
                if *checks_names {
                    names_server(stream.get_ref().1, host, address)?;
                }
                Box::new(stream)
            }
        };
        Ok(Self { socket, input: BytesMut::new() })
    }

    /// Sends a frame of several records.
    pub(super) async fn send(&mut self, parts: &[&(dyn Encode + Sync)]) -> io::Result<()> {
        let mut out = Vec::new();
        let start = begin_frame(&mut out);
        parts.iter().for_each(|part| part.encode(&mut out));
        end_frame(&mut out, start).map_err(|_| io::Error::other("a request of 2 GiB or more"))?;
        self.socket.write_all(&out).await?;
        self.socket.flush().await
    }

    /// The next frame. Nothing is lost when the caller gives up waiting.
    pub(super) async fn frame(&mut self) -> io::Result<Bytes> {
        loop {
            let found = next_frame(&self.input, 0, ANSWER_MAX);
            let found = found.map_err(|bad| io::Error::other(format!("a frame of {} bytes", bad.0)))?;
            if let Some(body) = found {
                self.input.advance(PREFIX_LEN);
                return Ok(self.input.split_to(body.len()).freeze());
            }
            if self.socket.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
