//! Logins among members by SASL (`SaslQuorumAuthLearner`, `SaslQuorumAuthServer`): DIGEST-MD5, or GSSAPI.
//!
//! Whoever dials logs in: on a quorum port at once, on an election port behind its hello. A packet of either side: a number
//! that nothing else begins with (8 bytes), a status (4 bytes: 0 goes on, 1 done, -1 refused), a token with its length (4
//! bytes) before it.
//! What may block, on files, the KDC or the resolver, is done by other threads.

use super::{
    jaas::{LetsIn, Own, PeerLogin},
    stream::PeerStream,
    wing::Wing,
};
use crate::{
    gss::{Acceptor, Context, Kerberos},
    sasl::{Client, GssapiClient, GssapiNext, GssapiServer, KerberosName, Next, Server},
    server::chance,
    topics,
};
use bytes::{Buf, BufMut, BytesMut};
use std::{collections::BTreeSet, fmt, io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::spawn_blocking,
    time::timeout,
};

/// The protocol and the name that members have towards each other.
const PROTOCOL: &str = "zookeeper-quorum";
const REALM: &str = "zk-quorum-sasl-md5";
/// What a packet begins with (`QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER`).
const MAGIC: i64 = 0x5f24_3501_3501_edcc;
const HEAD_LEN: usize = 16;
/// A longer token is none, in bytes.
const TOKEN_MAX_BYTES: usize = 64 << 10;

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

/// On another thread, which may block.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)
}

/// Logs in to a member that was dialled at `host`, if that is asked for.
///
/// # Errors
/// The member refuses, does not prove who it is, or takes longer than `within`.
pub(super) async fn log_in(
    stream: &mut PeerStream,
    host: &str,
    wing: &Wing,
    within: Duration,
) -> io::Result<()> {
    let Some(login) = &wing.options.login else { return Ok(()) };
    let exchange = async {
        match login.own.clone() {
            None => Ok(()),
            Some(Own::Password(user, password)) => {
                by_password(stream, Client::new(PROTOCOL, REALM, user, password, nonce()?)).await
            }
            Some(Own::Kerberos { initiator, service }) => {
                let host = host.to_owned();
                let begin = move || initiator.begin(&service.at(&host));
                let context = elsewhere(begin).await?.map_err(refusal)?;
                by_ticket(stream, GssapiClient::new(context)).await
            }
        }
    };
    let late = |_| Err(refusal("the member does not answer"));
    timeout(within, exchange).await.unwrap_or_else(late)
}

async fn by_password(stream: &mut PeerStream, mut client: Client) -> io::Result<()> {
    send(stream, GOES_ON, &[]).await?;
    let (GOES_ON, challenge) = receive(stream).await? else { return Err(refusal("the member refuses")) };
    let answer = client.answer(&challenge).map_err(refusal)?;
    send(stream, GOES_ON, &answer).await?;
    let (DONE, proof) = receive(stream).await? else { return Err(refusal("the member refuses")) };
    client.check(&proof).map_err(refusal)
}

async fn by_ticket(stream: &mut PeerStream, mut client: GssapiClient<Context>) -> io::Result<()> {
    let mut challenge = Vec::new();
    loop {
        let step = move || {
            let answer = client.answer(&challenge);
            (client, answer)
        };
        let answer;
        (client, answer) = elsewhere(step).await?;
        send(stream, GOES_ON, &answer.map_err(refusal)?).await?;
        challenge = match receive(stream).await? {
            (GOES_ON, challenge) => challenge,
            (DONE, _) if client.is_over() => return Ok(()),
            (DONE, _) => return Err(refusal("the member does not prove who it is")),
            _ => return Err(refusal("the member refuses")),
        };
    }
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
    let judged = match &login.lets_in {
        LetsIn::Passwords(passwords) => {
            let mut server = Server::new(PROTOCOL, REALM, nonce()?);
            loop {
                let token = token(stream, input).await?;
                match server.step(&token, |user| passwords.get(user).cloned()) {
                    Ok(Next::Send(challenge)) => send(stream, GOES_ON, &challenge).await?,
                    Ok(Next::Done { token, .. }) => break Ok(token),
                    Err(error) => break Err(refusal(error)),
                }
            }
        }
        LetsIn::Kerberos(acceptor) => judge(stream, input, acceptor, login, wing).await?,
    };
    let error = match judged {
        Ok(token) => return send(stream, DONE, &token).await,
        Err(error) => error,
    };
    send(stream, REFUSED, &[]).await?;
    if login.is_required {
        return Err(error);
    }
    tracing::warn!(target: topics::PEERS, %error, "a member is let in all the same (quorum.auth.serverRequireSasl=false)");
    Ok(())
}

/// Whether a ticket is a member's; what else goes wrong ends the connection.
async fn judge(
    stream: &mut PeerStream,
    input: &mut BytesMut,
    acceptor: &Acceptor,
    login: &PeerLogin,
    wing: &Wing,
) -> io::Result<io::Result<Vec<u8>>> {
    let mut server = GssapiServer::new(acceptor.begin());
    loop {
        let token = token(stream, input).await?;
        let step = move || {
            let next = server.step(&token);
            (server, next)
        };
        let next;
        (server, next) = elsewhere(step).await?;
        match next {
            Ok(GssapiNext::Send(challenge)) => send(stream, GOES_ON, &challenge).await?,
            Ok(GssapiNext::Done { principal, acts_as }) => {
                let canonical = login.canonical.clone();
                let is_member = is_member(&principal, &acts_as, wing.hosts(), canonical).await?;
                let why = || refusal(format!("{principal} is no member's principal, or acts as {acts_as}"));
                return Ok(if is_member { Ok(Vec::new()) } else { Err(why()) });
            }
            Err(error) => return Ok(Err(refusal(error))),
        }
    }
}

/// Whether a principal acts as itself and has a member's host in its name (`SaslQuorumServerCallbackHandler`).
async fn is_member(
    principal: &str,
    acts_as: &str,
    hosts: BTreeSet<String>,
    canonical: Option<Kerberos>,
) -> io::Result<bool> {
    let host = KerberosName::parse(principal).ok().and_then(|name| name.host);
    let Some(host) = host.filter(|_| principal == acts_as) else { return Ok(false) };
    let Some(kerberos) = canonical.filter(|_| !hosts.contains(host)) else { return Ok(hosts.contains(host)) };
    let host = host.to_owned();
    elsewhere(move || hosts.iter().any(|member| kerberos.canonical_host(member) == host)).await
}

/// The next token of a member that logs in.
async fn token(stream: &mut PeerStream, input: &mut BytesMut) -> io::Result<BytesMut> {
    fill(stream, input, HEAD_LEN).await?;
    let (_, len) = head(&input.split_to(HEAD_LEN))?;
    fill(stream, input, len).await?;
    Ok(input.split_to(len))
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
