//! Ports that nobody else has.

use super::TestingError;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

/// A port of the loopback that the system gives to nobody else as long as this is there, neither to one who asks for any port
/// nor to one who connects: so it stays that of a server that is down for a while.
///
/// Who names it can listen there, if with `SO_REUSEADDR`, as servers do (`TcpListener` of the standard library, all of Java).
#[derive(Debug)]
pub struct Reserved {
    port: u16,
    /// Bound, not listening: others that share can be bound beside it.
    _socket: Socket,
}

impl Reserved {
    /// One that is free now.
    ///
    /// # Errors
    /// The system has none left.
    pub fn any() -> Result<Self, TestingError> {
        let reserve = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok(Self { port: address.port(), _socket: socket })
        };
        reserve().map_err(TestingError::system("find a free port"))
    }

    /// Its number.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::HashSet,
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn a_reserved_port_can_be_listened_at_more_than_once_by_who_names_it() {
        let reserved = Reserved::any().expect("a port");
        for _ in 0..2 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, reserved.port())).expect("it is free");
            let dialled =
                TcpStream::connect((Ipv4Addr::LOCALHOST, reserved.port())).expect("somebody listens");
            // Whoever served is the side that remembers the connection.
            drop(listener.accept().expect("a connection"));
            drop(dialled);
        }
    }

    #[test]
    fn nobody_else_is_given_a_reserved_port() {
        let reserved: Vec<_> = (0..200).map(|_| Reserved::any().expect("a port")).collect();
        let ports: HashSet<_> = reserved.iter().map(Reserved::port).collect();
        assert_eq!(ports.len(), reserved.len());
        // The system chooses among some 14,000: of 2,000 that it gives, some 28 would be among 200 that it could give.
        for _ in 0..2_000 {
            let other =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            let other = other.expect("a port").port();
            assert!(!ports.contains(&other), "{other} was given twice");
        }
    }
}
