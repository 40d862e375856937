//! The thread, and what others have of it.

use super::{
    Command, Listener, PeerOptions,
    elections::Elections,
    links::{Door, Links},
    wing::Wing,
};
use std::{
    convert::Infallible,
    io,
    rc::Rc,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{LocalSet, spawn_local},
    time::sleep,
};

/// Commands that are carried out before others have their turn.
const COMMANDS_AT_ONCE: usize = 4096;
/// How often it is looked whether log lines were left out.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A stop does not wait longer for a name that is looked up, or a disk.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// The wing, as others see it.
#[derive(Debug)]
pub(crate) struct Peers {
    commands: UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

impl Peers {
    /// Binds the election port and begins to look for the others.
    ///
    /// # Errors
    /// The port is not to be had within the attempts that are configured, or there is no thread.
    pub(crate) fn start(options: PeerOptions, listener: Arc<dyn Listener>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().thread_name("peers-work").build()?;
        let (commands, received) = unbounded_channel();
        let (started, starts) = mpsc::channel();
        let run = move || run(runtime, options, listener, received, started);
        let thread = std::thread::Builder::new().name("peers".to_owned()).spawn(run)?;
        match starts.recv() {
            Ok(Ok(())) => Ok(Self { commands, thread }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the thread for other members has failed")),
        }
    }

    /// Has something done. Never waits; the listener may call it in its turn.
    pub(crate) fn tell(&self, command: Command) {
        // Nobody hears it: the server stops.
        drop(self.commands.send(command));
    }

    /// Says what was to be said, and ends all connections.
    ///
    /// # Errors
    /// The thread has panicked.
    pub(crate) fn stop(self) -> std::thread::Result<()> {
        let Self { commands, thread } = self;
        // What was said before is carried out.
        drop(commands);
        thread.join()
    }
}

fn run(
    runtime: Runtime,
    options: PeerOptions,
    listener: Arc<dyn Listener>,
    commands: UnboundedReceiver<Command>,
    started: mpsc::Sender<io::Result<()>>,
) {
    let tasks = LocalSet::new();
    let wing = Rc::new(Wing::new(options, listener));
    tasks.block_on(&runtime, async {
        let (elections, links) = (Elections::new(&wing), Links::new(&wing));
        spawn_local(Rc::clone(&elections).serve(started));
        // Tasks, all of them: who wakes what `block_on` waits for, also from this thread, pays for a system call.
        let turns = spawn_local(Rc::clone(&wing).take_turns());
        let lines = spawn_local(tell_left_out(Rc::clone(&wing)));
        let obeying = spawn_local(obey(commands, Rc::clone(&wing), Rc::clone(&elections), Rc::clone(&links)));
        let ended = tokio::select! {
            ended = obeying => ended,
            never = turns => never.map(|never| match never {}),
            never = lines => never.map(|never| match never {}),
        };
        if let Err(failed) = ended {
            std::panic::resume_unwind(failed.into_panic());
        }
        // Who elects does not wait for this one, then.
        elections.end();
        links.part().await;
    });
    drop(tasks);
    runtime.shutdown_timeout(STOP_WITHIN);
}

/// Until nobody can say anything any more: the server stops.
async fn obey(
    mut commands: UnboundedReceiver<Command>,
    wing: Rc<Wing>,
    elections: Rc<Elections>,
    links: Rc<Links>,
) {
    let mut batch = Vec::new();
    while commands.recv_many(&mut batch, COMMANDS_AT_ONCE).await > 0 {
        for command in batch.drain(..) {
            match command {
                Command::Notify(to, said) => elections.notify(&to, &said),
                Command::Dial(leader) => links.dial(leader),
                Command::DialMaster(master) => links.dial_master(master),
                Command::Listen => links.listen(Door::Quorum),
                Command::ListenForObservers => links.listen(Door::ObserverMaster),
                Command::HangUp(link) => links.hang_up(link),
                Command::HangUpAll => links.hang_up_all(),
                Command::ToLeader(link, packet) => links.to_leader(link, &packet),
                Command::ToLearners(to, packet) => links.to_learners(&to, &packet),
                Command::Stream(link, stream) => links.stream(link, stream),
                Command::Members(known) => {
                    wing.know(&known);
                    elections.follow_members();
                    links.follow_members();
                }
                Command::Resume => links.resume(),
            }
        }
    }
}

async fn tell_left_out(wing: Rc<Wing>) -> Infallible {
    loop {
        sleep(LOOK_EVERY).await;
        wing.warnings.tell_left_out(wing.now_ms());
    }
}
