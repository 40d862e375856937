//! Lines between members that a test can cut or hold: each is a port of the loopback that hands everything on.

use super::TestingError;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread::JoinHandle,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp},
    runtime::Builder,
    sync::watch,
};

/// What becomes of the bytes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// They are handed on.
    Open,
    /// They wait, as those for a process that stands still.
    Held,
    /// Connections are ended, and new ones too.
    Cut,
}

/// A line that is there as long as this is.
#[derive(Debug)]
pub(super) struct Relay {
    state: watch::Sender<Line>,
}

impl Relay {
    pub(super) fn set(&self, line: Line) {
        // Whoever does not listen has ended.
        self.state.send_replace(line);
    }
}

/// The thread that hands on. It ends with the last of its relays.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    lines: Vec<(TcpListener, SocketAddr, watch::Receiver<Line>)>,
}

impl Exchange {
    /// A line to a port of the loopback, and the port that it begins at.
    pub(super) fn line(&mut self, to: u16) -> Result<(u16, Relay), TestingError> {
        let open = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        };
        let (listener, port) = open().map_err(TestingError::system("open a port"))?;
        let (state, receiver) = watch::channel(Line::Open);
        self.lines.push((listener, (Ipv4Addr::LOCALHOST, to).into(), receiver));
        Ok((port, Relay { state }))
    }

    /// Begins to hand on.
    pub(super) fn run(self) -> Result<JoinHandle<()>, TestingError> {
        let system = TestingError::system;
        let runtime = Builder::new_current_thread().enable_io().build().map_err(system("hand on"))?;
        let run = move || {
            runtime.block_on(async move {
                let mut lines = tokio::task::JoinSet::new();
                for (listener, to, line) in self.lines {
                    lines.spawn(accept(listener, to, line));
                }
                while lines.join_next().await.is_some() {}
            });
        };
        std::thread::Builder::new().name("relays".to_owned()).spawn(run).map_err(system("start a thread"))
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, mut line: watch::Receiver<Line>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted && *line.borrow() != Line::Cut {
                    connections.spawn(connection(stream, to, line.clone()));
                }
            }
            // Nobody holds the line any more.
            changed = line.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(here: TcpStream, to: SocketAddr, mut line: watch::Receiver<Line>) {
    let Ok(there) = TcpStream::connect(to).await else { return };
    drop((here.set_nodelay(true), there.set_nodelay(true)));
    let ((read_here, write_here), (read_there, write_there)) = (here.into_split(), there.into_split());
    let (out, back) = (line.clone(), line.clone());
    let both =
        async { tokio::join!(hand_on(read_here, write_there, out), hand_on(read_there, write_here, back)) };
    tokio::select! {
        _ = both => {}
        _ = async { line.wait_for(|line| *line == Line::Cut).await.map(|_| ()) } => {}
    }
}

/// Until one side ends its half, or the line is gone.
async fn hand_on(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
) -> io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let len = from.read(&mut bytes).await?;
        line.wait_for(|line| *line == Line::Open).await.map_err(io::Error::other)?;
        if len == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..len]).await?;
    }
}
