//! Four-letter words (`FourLetterWordClient`).

use super::Peer;
use std::{
    io::{self, ErrorKind, Read, Write},
    time::Duration,
};

/// No answer is longer, in bytes: `dump` of a million sessions is not.
const ANSWER_MAX: u64 = 256 << 20;

/// Sends a word and reads the answer to its end.
///
/// # Errors
/// There is no connection, or no answer in time.
pub fn ask(peer: &Peer, word: &str, within: Duration) -> io::Result<String> {
    let mut stream = peer.connect(within)?;
    stream.write_all(word.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(ANSWER_MAX).read_to_end(&mut answer) {
        // Servers end the connection without a word of TLS.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        result => drop(result?),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The mode that an answer to `srvr` tells of; there is none while a member has no quorum.
pub fn mode(answer: &str) -> Option<&str> {
    answer.lines().find_map(|line| line.strip_prefix("Mode: "))
}
