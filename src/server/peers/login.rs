//! Logins among members by SASL (`SaslQuorumAuthLearner`, `SaslQuorumAuthServer`): DIGEST-MD5.
//!
//! Whoever dials logs in: on a quorum port at once, on an election port behind its hello. A packet of either side: a number
//! that nothing else begins with (8 bytes), a status (4 bytes: 0 goes on, 1 done, -1 refused), a token with its length (4
//! bytes) before it.

use super::{passwords::PeerLogin, stream::PeerStream, wing::Wing};
use crate::{
    sasl::{Client, Next, Server},
    server::chance,
    topics,
};
use bytes::{Buf, BufMut, BytesMut};
use std::{fmt, io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// The protocol and the name that members have towards each other.
const PROTOCOL: &str = "zookeeper-quorum";
const REALM: &str = "zk-quorum-sasl-md5";
/// What a packet begins with (`QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER`).
const MAGIC: i64 = 0x5f24_3501_3501_edcc;
const HEAD_LEN: usize = 16;
/// A longer token is none, in bytes.
const TOKEN_MAX_BYTES: usize = 4096;

/// Where logins are not asked for, whoever has said nothing for so long does not log in.
const SPEAKS_WITHIN: Duration = Duration::from_millis(500);

const GOES_ON: i32 = 0;
const DONE: i32 = 1;
const REFUSED: i32 = -1;

fn nonce() -> io::Result<String> {
    chance::nonce().ok_or_else(|| io::Error::other("there are no random numbers"))
}

fn refusal(text: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("the login by SASL failed: {text}"))
}

/// Logs in to a member that was dialled, if that is asked for.
///
/// # Errors
/// The member refuses, does not prove who it is, or takes longer than `within`.
pub(super) async fn log_in(stream: &mut PeerStream, wing: &Wing, within: Duration) -> io::Result<()> {
    let Some((user, password)) = wing.options.login.as_ref().and_then(|login| login.own.clone()) else {
        return Ok(());
    };
    let exchange = async {
        let mut client = Client::new(PROTOCOL, REALM, user, password, nonce()?);
        send(stream, GOES_ON, &[]).await?;
        let (GOES_ON, challenge) = receive(stream).await? else { return Err(refusal("the member refuses")) };
        let answer = client.answer(&challenge).map_err(refusal)?;
        send(stream, GOES_ON, &answer).await?;
        let (DONE, proof) = receive(stream).await? else { return Err(refusal("the member refuses")) };
        client.check(&proof).map_err(refusal)
    };
    let late = |_| Err(refusal("the member does not answer"));
    timeout(within, exchange).await.unwrap_or_else(late)
}

/// Lets a member in that has connected, once it has logged in, if that is asked for. `input`: what has been read of it.
///
/// # Errors
/// It has to log in and does not, or its login fails.
pub(super) async fn let_in(stream: &mut PeerStream, wing: &Wing, input: &mut BytesMut) -> io::Result<()> {
    let Some(login) = &wing.options.login else { return Ok(()) };
    match timeout(SPEAKS_WITHIN, fill(stream, input, size_of::<i64>())).await {
        Ok(filled) => filled?,
        // Whoever logs in does so at once; nobody else has to say anything yet.
        Err(_) if !login.is_required && input.is_empty() => return Ok(()),
        Err(_) => fill(stream, input, size_of::<i64>()).await?,
    }
    if (&input[..]).get_i64() != MAGIC {
        return if login.is_required { Err(refusal("it does not log in")) } else { Ok(()) };
    }
    let Err(error) = judge(stream, login, input).await else { return Ok(()) };
    send(stream, REFUSED, &[]).await?;
    if login.is_required {
        return Err(error);
    }
    tracing::warn!(target: topics::PEERS, %error, "a member is let in all the same (quorum.auth.serverRequireSasl=false)");
    Ok(())
}

async fn judge(stream: &mut PeerStream, login: &PeerLogin, input: &mut BytesMut) -> io::Result<()> {
    let mut server = Server::new(PROTOCOL, REALM, nonce()?);
    loop {
        fill(stream, input, HEAD_LEN).await?;
        let (_, len) = head(&input.split_to(HEAD_LEN))?;
        fill(stream, input, len).await?;
        let token = input.split_to(len);
        match server.step(&token, |user| login.passwords.get(user).cloned()).map_err(refusal)? {
            Next::Send(challenge) => send(stream, GOES_ON, &challenge).await?,
            Next::Done { token, .. } => return send(stream, DONE, &token).await,
        }
    }
}

/// Reads until so many bytes are there.
async fn fill(stream: &mut PeerStream, input: &mut BytesMut, len: usize) -> io::Result<()> {
    while input.len() < len {
        if stream.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Status and length of the token.
fn head(mut bytes: &[u8]) -> io::Result<(i32, usize)> {
    if bytes.get_i64() != MAGIC {
        return Err(refusal("what came is no packet of it"));
    }
    let (status, len) = (bytes.get_i32(), bytes.get_i32());
    match usize::try_from(len.max(0)) {
        Ok(len) if len <= TOKEN_MAX_BYTES => Ok((status, len)),
        _ => Err(refusal(format!("a token of {len} bytes"))),
    }
}

/// Reads one packet and nothing behind it.
async fn receive(stream: &mut PeerStream) -> io::Result<(i32, Vec<u8>)> {
    let mut bytes = [0; HEAD_LEN];
    stream.read_exact(&mut bytes).await?;
    let (status, len) = head(&bytes)?;
    let mut token = vec![0; len];
    stream.read_exact(&mut token).await?;
    Ok((status, token))
}

async fn send(stream: &mut PeerStream, status: i32, token: &[u8]) -> io::Result<()> {
    let mut packet = BytesMut::with_capacity(HEAD_LEN + token.len());
    packet.put_i64(MAGIC);
    packet.put_i32(status);
    packet.put_i32(i32::try_from(token.len()).map_err(io::Error::other)?);
    packet.put_slice(token);
    stream.write_all(&packet).await?;
    stream.flush().await
}
