//! The four-letter word that tells a server's role, over a connection of its own.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

/// The answer to `srvr`; none from a server that does not answer within seconds.
pub(crate) fn srvr(addr: &SocketAddrV4) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&(*addr).into(), Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
