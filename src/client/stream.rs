//! A connection to a server, in plain text or in TLS.

use crate::tls::is_for;
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

/// Who is connected to, and how.
#[derive(Debug, Clone)]
pub struct Peer {
    /// A name or an address.
    pub host: String,
    /// Its client port.
    pub port: u16,
    /// What TLS is spoken with, and whether its certificate has to have its name; `None` for plain text.
    pub tls: Option<(Arc<ClientConfig>, bool)>,
}

/// A connection that is made.
pub enum Stream {
    /// Plain text.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Peer {
    /// Connects: to each address of the name in turn, and each of them, every read and every write have so long.
    ///
    /// # Errors
    /// Nobody is there, or TLS cannot be agreed upon.
    pub fn connect(&self, within: Duration) -> io::Result<Stream> {
        let socket = self.socket(within)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(within))?;
        socket.set_write_timeout(Some(within))?;
        let Some((config, checks_names)) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let address = socket.peer_addr()?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        if *checks_names {
            names_server(&stream.conn, &self.host, address)?;
        }
        Ok(Stream::Tls(Box::new(stream)))
    }

    fn socket(&self, within: Duration) -> io::Result<TcpStream> {
        let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, within) {
                Ok(socket) => return Ok(socket),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// Whether the certificate is for the name that was dialled, or for its address.
///
/// # Errors
/// It is for others.
pub(super) fn names_server(session: &ClientConnection, host: &str, address: SocketAddr) -> io::Result<()> {
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let names =
        [ServerName::try_from(host.to_owned()).ok(), Some(ServerName::IpAddress(address.ip().into()))];
    let is_right =
        certificate.is_some_and(|certificate| names.iter().flatten().any(|name| is_for(certificate, name)));
    if is_right {
        return Ok(());
    }
    let text = format!("its certificate is not for {host} (ssl.hostnameVerification)");
    Err(io::Error::new(ErrorKind::PermissionDenied, text))
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buf),
            Self::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
