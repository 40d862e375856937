//! Ports that nobody has.

use super::TestingError;
use std::net::{Ipv4Addr, TcpListener};

/// So many different ports of the loopback. All are held until all are found; between that and their use somebody else could
/// take one, who would have to be given it by the system out of some 28,000.
pub(super) fn free<const N: usize>() -> Result<[u16; N], TestingError> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(TestingError::system("find a free port"))?;
        *port = listener.local_addr().map_err(TestingError::system("find a free port"))?.port();
        held.push(listener);
    }
    Ok(ports)
}
