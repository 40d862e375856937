//! The bodies of the fuzz targets: ordinary functions, so that `cargo test` replays the corpora on a stable compiler.
//! Each takes any bytes and must not panic; where something comes back, it must be what went in.

use bytes::{Bytes, BytesMut};
use oxkeeper::{
    auth::{AuthConfig, Identities, Offer, authenticate},
    config::Config,
    membership::Membership,
    node::{
        Action, ContainerRules, Delivery, Entry, Event, NewSessions, Node, NodeOptions, Now, Recipient,
        Request,
    },
    processor::{
        Judged, Known, Processor, Proposal, Rules,
        read::{self, Asker},
        set_watches::SetAgain,
        watch_requests::{add_watch, bring_back, check_or_remove},
    },
    recovery::Rebuild,
    sasl::{Client, Jaas, NameRules, Next, Server},
    session::{ConnId, TimeoutBounds},
    storage::{LogReader, MemoryDisk, RecoveryOptions, recover},
    tls::{KeyStore, StoreKind, TrustStore, is_distinguished_name, subject},
    tree::{OwnerRules, PreparedTxn, Tree, TreeOptions},
    watch::{ConnKey, WatchTable},
};
use oxkeeper_codec::{
    Decode, Encode, OpCode, Reader, SessionId, Zxid,
    election::{Hello, Notification, next_notification},
    frame::next_frame,
    learner::{ToLeader, ToLearner, check_snapshot_end},
    packet::{QuorumPacket, Scanner},
    records::{
        AddWatchRequest, AuthPacket, CheckWatchesRequest, ConnectRequest, GetSaslRequest, RequestHeader,
    },
    request::{Handshake, decode_multi, decode_multi_read},
    txn::LoggedTxn,
};
use std::net::Ipv4Addr;

const OPTIONS: TreeOptions = TreeOptions {
    owners: OwnerRules { extended_types: true, emulate_353: false },
    digest: true,
    hash_seed: 1,
};

/// The first packet of a connection.
pub fn handshake(data: &[u8]) {
    if let Ok(handshake) = Handshake::from_slice(data) {
        let again = handshake.request.to_vec();
        assert_eq!(Handshake::from_slice(&again).map(|again| again.request), Ok(handshake.request));
    }
}

/// One request: as a read it is answered, as a write it becomes a transaction that applies; what a worker answers by
/// itself changes its connection alone.
pub fn request(data: &[u8]) {
    let Ok(header) = RequestHeader::from_slice(data) else { return };
    let body = Bytes::copy_from_slice(&data[8..]);
    let (mut tree, mut processor) = small_tree();
    let identities = Identities::none();
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &AuthConfig::default() };
    let mut out = Vec::new();
    read::answer(&tree, asker, &header, &body, &mut out);
    assert!(out.len() >= 20, "an answer has a length and a header");
    match header.op {
        OpCode::AUTH => auth(&body),
        OpCode::SASL => sasl(&body),
        OpCode::ADD_WATCH | OpCode::CHECK_WATCHES | OpCode::REMOVE_WATCHES => one_watch(header.op, &body),
        OpCode::SET_WATCHES | OpCode::SET_WATCHES2 => watches_again(&tree, header.op, &body),
        _ => {}
    }
    let proposal = Proposal {
        zxid: tree.last_zxid().next(),
        time_ms: 5,
        session: SessionId(1),
        xid: header.xid,
        identities: &identities,
        known: Known::Everywhere,
    };
    if oxkeeper::node::is_write(header.op)
        && header.op != OpCode::CLOSE_SESSION
        && let Ok(Judged { logged, set }) = processor.prepare(&tree, header.op, &body, &proposal)
    {
        txn_comes_back(&logged);
        tree.apply_prepared(&logged, &PreparedTxn::of_set(set), &mut (), &mut Vec::new());
        assert!(tree.digest_matches(&logged), "the digest was foreseen: {logged:?}");
        processor.applied(&tree, tree.last_zxid());
        tree.check();
    }
}

// What `server/io/local.rs` answers; of authentication and SASL the records, with the same readers.

fn auth(body: &[u8]) {
    let Ok(packet) = AuthPacket::decode(&mut Reader::new(body).taking_nulls()) else { return };
    let again = packet.to_vec();
    assert_eq!(AuthPacket::decode(&mut Reader::new(&again).taking_nulls()).as_ref(), Ok(&packet));
    let remote = Ipv4Addr::LOCALHOST.into();
    let offer = Offer { scheme: &packet.scheme, data: packet.auth.as_deref(), remote, key: None };
    let mut identities = Identities::none();
    let proven = authenticate(&AuthConfig::default(), offer, &mut identities);
    assert!(proven.is_ok() || identities.as_slice().is_empty(), "an identity comes of a proof alone");
}

fn sasl(body: &[u8]) {
    if let Ok(request) = GetSaslRequest::from_slice(body) {
        assert_eq!(GetSaslRequest::from_slice(&request.to_vec()), Ok(request));
    }
}

fn one_watch(op: OpCode, body: &[u8]) {
    let (mut watches, conn) = (WatchTable::new(1), ConnKey(0));
    if op == OpCode::ADD_WATCH {
        if let Ok(request) = AddWatchRequest::from_slice(body) {
            assert_eq!(AddWatchRequest::from_slice(&request.to_vec()).as_ref(), Ok(&request));
        }
        let added = add_watch(&mut watches, conn, body);
        assert_eq!(added.is_ok(), !watches.is_empty(), "what is refused leaves no watch");
    } else {
        let mut reader = Reader::new(body).taking_nulls();
        let Ok(request) = CheckWatchesRequest::decode(&mut reader) else { return };
        let again = request.to_vec();
        assert_eq!(
            CheckWatchesRequest::decode(&mut Reader::new(&again).taking_nulls()).as_ref(),
            Ok(&request)
        );
        watches.add_data(&request.path, conn);
        watches.add_child(&request.path, conn);
        let mut ask = |op| check_or_remove(&mut watches, conn, op, body);
        let found = ask(OpCode::CHECK_WATCHES);
        assert_eq!(ask(OpCode::REMOVE_WATCHES), found);
        assert!(ask(OpCode::CHECK_WATCHES).is_err(), "it has been removed");
    }
    watches.remove_conn(conn);
    assert!(watches.is_empty());
}

fn watches_again(tree: &Tree, op: OpCode, body: &[u8]) {
    let (mut watches, conn) = (WatchTable::new(1), ConnKey(0));
    let (identities, auth) = (Identities::none(), AuthConfig::default());
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &auth };
    let (mut request, mut count) = (SetAgain::new(op, body), 0);
    while let Some((path, again)) = request.next(tree, asker) {
        bring_back(&mut watches, conn, &path, again);
        count += 1;
    }
    assert!(count <= body.len() / 4, "a path has a length of its own");
    watches.remove_conn(conn);
    assert!(watches.is_empty());
}

/// A tree with a few znodes, and its processor.
fn small_tree() -> (Tree, Processor) {
    let mut tree = Tree::new(OPTIONS);
    let rules = Rules { extended_types: true, list_closed_ephemerals: true, ..Rules::default() };
    let mut processor = Processor::new(rules, &tree);
    for (path, flags) in [("/a", 0), ("/a/b", 0), ("/e", 1), ("/zookeeper/quota/a", 0)] {
        let acl = Some(tree.get("/").map(|root| root.acl().to_vec()).unwrap_or_default());
        let create = oxkeeper_codec::records::CreateRequest { path: path.into(), data: None, acl, flags };
        let proposal = Proposal {
            zxid: tree.last_zxid().next(),
            time_ms: 1,
            session: SessionId(1),
            xid: 0,
            identities: &Identities::none(),
            known: Known::Everywhere,
        };
        if let Ok(judged) = processor.prepare(&tree, OpCode::CREATE, &create.to_vec().into(), &proposal) {
            tree.apply(&judged.logged, &mut (), &mut Vec::new());
            processor.applied(&tree, tree.last_zxid());
        }
    }
    (tree, processor)
}

/// The body of a log entry.
pub fn txn(data: &[u8]) {
    if let Ok(logged) = LoggedTxn::from_bytes(&Bytes::copy_from_slice(data)) {
        txn_comes_back(&logged);
        let (mut tree, _) = small_tree();
        tree.apply(&logged, &mut (), &mut Vec::new());
    }
}

fn txn_comes_back(logged: &LoggedTxn) {
    let mut body = Vec::new();
    logged.encode(&mut body);
    let again = LoggedTxn::from_bytes(&body.into()).expect("what is encoded decodes");
    assert_eq!(again, *logged);
}

/// The operations of a multi and of a multi-read.
pub fn multi(data: &[u8]) {
    let shared = Bytes::copy_from_slice(data);
    let _ = decode_multi(&mut Reader::shared(&shared));
    let _ = decode_multi_read(&mut Reader::new(data));
}

/// A stream of frames.
pub fn frame(data: &[u8]) {
    let mut at = 0;
    while let Ok(Some(body)) = next_frame(data, at, 1 << 16) {
        assert!(body.start == at + 4 && body.end <= data.len());
        at = body.end;
    }
}

/// A stream on the quorum port, as it arrives whole and byte by byte.
pub fn quorum(data: &[u8]) {
    const LIMIT: usize = 1 << 16;
    let (mut input, mut scanner) = (BytesMut::from(data), Scanner::default());
    let (mut slow, mut start) = (Scanner::default(), 0);
    while let Ok(Some(len)) = scanner.scan(&input, LIMIT) {
        assert!(len <= LIMIT, "no packet is longer than what is allowed");
        for end in start..start + len {
            assert_eq!(slow.scan(&data[start..end], LIMIT), Ok(None), "it ends where it ends");
        }
        assert_eq!(slow.scan(&data[start..start + len], LIMIT), Ok(Some(len)));
        start += len;
        let packet = input.split_to(len).freeze();
        let mut reader = Reader::shared(&packet);
        let whole = QuorumPacket::decode(&mut reader);
        assert!(whole.is_ok() && reader.remaining() == 0, "what was found is one packet: {whole:?}");
        packet_comes_back(&packet);
    }
    let _ = check_snapshot_end(&input);
}

/// What is not looked at comes back in its plain form.
fn packet_comes_back(packet: &Bytes) {
    let mut out = Vec::new();
    if let Ok(said) = ToLeader::decode(packet) {
        said.encode(&mut out);
        assert_eq!(Scanner::default().scan(&out, usize::MAX), Ok(Some(out.len())));
        assert_eq!(ToLeader::decode(&out.into()), Ok(said));
    }
    let mut out = Vec::new();
    if let Ok(told) = ToLearner::decode(packet) {
        told.encode(&mut out);
        assert_eq!(Scanner::default().scan(&out, usize::MAX), Ok(Some(out.len())));
        assert_eq!(ToLearner::decode(&out.into()), Ok(told));
    }
}

/// A stream on the election port: a hello, and notifications.
pub fn election(data: &[u8]) {
    let whole = Hello::decode(data);
    let first = (0..=data.len()).map(|end| Hello::decode(&data[..end])).find(|found| *found != Ok(None));
    assert_eq!(first.unwrap_or(Ok(None)), whole, "it does not matter how it arrives");
    let Ok(Some((hello, len))) = whole else { return };
    let mut again = Vec::new();
    hello.encode(&mut again);
    if hello.sid.0 >= 0 || !hello.addresses.is_empty() {
        let len = again.len();
        assert_eq!(Hello::decode(&again), Ok(Some((hello, len))));
    }
    let mut rest = Bytes::copy_from_slice(&data[len..]);
    while let Ok(Some(body)) = next_notification(&rest) {
        let behind = rest.split_off(body.end);
        if let Ok(notification) = Notification::decode(&rest.slice(body)) {
            let mut out = Vec::new();
            notification.encode(&mut out);
            assert_eq!(Notification::decode(&out.into()), Ok(notification));
        }
        rest = behind;
    }
}

/// A log, alone and as what a server finds beside its first snapshot.
pub fn log_file(data: &[u8]) {
    if let Ok(mut reader) = LogReader::new(data) {
        while let Ok(Some(entry)) = reader.next_entry() {
            assert!(!entry.body.is_empty());
            let _ = entry.decode();
        }
    }
    let disk = MemoryDisk::new("/fuzz");
    disk.put("log.1", data);
    load(&disk, true);
}

/// A snapshot; the first byte says how it is packed.
pub fn snapshot_file(data: &[u8]) {
    let Some((packing, content)) = data.split_first() else { return };
    let name = ["snapshot.0", "snapshot.0.gz", "snapshot.0.snappy"][usize::from(packing % 3)];
    let disk = MemoryDisk::new("/fuzz");
    disk.put(name, content);
    load(&disk, false);
}

fn load(disk: &MemoryDisk, trust_empty_snapshot: bool) {
    let mut rebuild = Rebuild::new(OPTIONS);
    if recover(disk, disk, RecoveryOptions { trust_empty_snapshot }, &mut rebuild).is_ok() {
        rebuild.finish().tree.check();
    }
}

/// The text of an ensemble's configuration, as members send it.
pub fn membership(data: &[u8]) {
    let text: String = data.iter().map(|&byte| char::from(byte)).collect();
    match Membership::parse(&text) {
        // What the official server writes of a negative version it cannot read, either.
        Ok(read) if read.version() >= 0 => {
            assert_eq!(Membership::parse(&read.to_string()), Ok(read));
        }
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A store of keys or certificates: the first byte says of which kind it is to be.
pub fn store(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let kind = if first == 0 { StoreKind::Pem } else { StoreKind::Java };
    for password in ["changeit", ""] {
        if let Ok(store) = KeyStore::read(bytes, kind, password) {
            assert!(!store.chain.is_empty());
            // Any bytes may stand where a certificate should.
            drop(subject(&store.chain[0]));
        }
        if let Ok(store) = TrustStore::read(bytes, kind, password) {
            assert!(!store.certificates.is_empty());
        }
    }
}

/// A JAAS file, and the name in an ACL of scheme x509.
pub fn jaas(data: &[u8]) {
    let text: String = data.iter().map(|&byte| char::from(byte)).collect();
    match Jaas::parse(&text, |name| (name == "user.home").then(String::new)) {
        Ok(jaas) => assert!(jaas.names().all(|name| jaas.section(name).is_some())),
        Err(error) => assert!(error.line >= 1 && error.line <= 1 + text.matches('\n').count()),
    }
    is_distinguished_name(&text);
}

/// What a client or a server says in a login by SASL; nobody is let in by chance.
pub fn login(data: &[u8]) {
    let password = |user: &str| (user == "bob").then(|| "secret".to_owned());
    let mut server = Server::new("zookeeper", "zk-sasl-md5", "bm9uY2U=".to_owned());
    assert!(matches!(server.step(data, password), Ok(Next::Send(_))));
    assert!(server.step(data, password).is_err());
    let mut client =
        Client::new("zookeeper", "x", "bob".to_owned(), "secret".to_owned(), "Y25vbmNl".to_owned());
    if client.answer(data).is_ok() {
        assert!(client.check(data).is_err());
    }
    if let Ok(text) = str::from_utf8(data) {
        let rules = NameRules::new(text, "REALM".to_owned(), true, true);
        if let Ok(id) = rules.and_then(|rules| rules.id_of("service/host@REALM")) {
            assert!(!id.contains(['/', '@']));
        }
    }
}

/// A configuration.
pub fn zoo_cfg(data: &[u8]) {
    let text: String = data.iter().map(|&byte| char::from(byte)).collect();
    if let Err(error) = Config::parse("zoo.cfg", &text, &[]) {
        assert!(!error.to_string().is_empty());
    }
}

/// A node, and what it must keep.
struct Driven {
    node: Node,
    tree: Tree,
    now_ms: i64,
    log_fails: bool,
    /// What was appended while the log took it.
    durable: Zxid,
    sessions: [Option<SessionId>; 4],
}

/// Any sequence of events. A step is a byte for the kind, one for the connection, and what the kind takes.
pub fn node(data: &[u8]) {
    let tree = Tree::new(OPTIONS);
    let options = NodeOptions {
        rules: Rules { extended_types: true, list_closed_ephemerals: true, ..Rules::default() },
        tick_ms: 100,
        timeouts: TimeoutBounds { min_ms: 100, max_ms: 1000 },
        containers: ContainerRules { interval_ms: 100, max_per_minute: 60_000, never_used_ms: 0 },
        server_id: 1,
        leader_serves: true,
        keep_connections: true,
        new_sessions: NewSessions::Global,
    };
    let node = Node::new(options, &tree, [], Now { elapsed_ms: 0, wall_ms: 0 });
    let durable = tree.last_zxid();
    let mut driven = Driven { node, tree, now_ms: 0, log_fails: false, durable, sessions: [None; 4] };
    let mut rest = data;
    while let [kind, conn, more @ ..] = rest {
        rest = driven.step(*kind, *conn, more);
    }
    driven.finish();
}

impl Driven {
    /// One step; what is left of the input.
    fn step<'a>(&mut self, kind: u8, conn: u8, rest: &'a [u8]) -> &'a [u8] {
        let slot = usize::from(conn % 4);
        let id = ConnId(u64::from(conn % 4));
        match kind % 8 {
            0 => self.connect(slot, id),
            1 | 2 => return self.op(slot, id, rest),
            3 => self.persist(),
            4 => self.apply(usize::from(conn)),
            5 => self.tick(i64::from(conn)),
            6 => self.snapshot(usize::from(conn)),
            _ if self.log_fails => {
                self.log_fails = false;
                self.persist();
                self.event(Event::LogRecovered);
            }
            _ => {
                self.log_fails = true;
                self.event(Event::LogFailed);
            }
        }
        rest
    }

    fn now(&self) -> Now {
        Now { elapsed_ms: self.now_ms, wall_ms: 1_700_000_000_000 + self.now_ms }
    }

    fn event(&mut self, event: Event) {
        for action in self.node.step(self.now(), &self.tree, event) {
            match action {
                Action::Append(batch) => {
                    for (zxid, body) in batch.entries() {
                        assert!(zxid <= self.node.last_proposed());
                        txn_comes_back(&LoggedTxn::from_bytes(&Bytes::copy_from_slice(body)).expect("ours"));
                    }
                }
                Action::Deliver(deliveries) => {
                    deliveries.iter().for_each(|delivery| self.delivered(delivery))
                }
                Action::OverQuota(_) => {}
                Action::Member(action) => panic!("a server that is alone has nobody to tell: {action:?}"),
            }
        }
    }

    fn delivered(&mut self, delivery: &Delivery) {
        let slot = usize::try_from(delivery.conn().0).expect("small");
        self.sessions[slot] = match delivery {
            Delivery::Connected { session, .. } => Some(*session),
            Delivery::Refuse { .. } | Delivery::Close { .. } | Delivery::Ended { .. } => None,
        };
    }

    fn connect(&mut self, slot: usize, conn: ConnId) {
        let session_id = self.sessions[slot].unwrap_or_default();
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            time_out: 500,
            session_id,
            passwd: Some(Bytes::copy_from_slice(&oxkeeper::session::password(session_id))),
            read_only: false,
        };
        let handshake = Handshake { request, has_read_only: true };
        self.event(Event::Requests(vec![Request::Connect { conn, handshake }]));
    }

    /// Op code, length and body come from the input.
    fn op<'a>(&mut self, slot: usize, conn: ConnId, rest: &'a [u8]) -> &'a [u8] {
        let [op, len, rest @ ..] = rest else { return &[] };
        let (body, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        let op = if *op == 255 { OpCode::CLOSE_SESSION } else { OpCode(i32::from(*op)) };
        let header = RequestHeader { xid: 1, op };
        let session = self.sessions[slot].unwrap_or(SessionId(9));
        let (body, identities) = (Bytes::copy_from_slice(body), Identities::none());
        self.event(Event::Requests(vec![Request::Op { conn, session, header, body, identities }]));
        rest
    }

    fn persist(&mut self) {
        if !self.log_fails {
            self.durable = self.node.last_proposed();
            self.event(Event::Committed(self.durable));
        }
    }

    fn apply(&mut self, limit: usize) {
        let batch = self.node.apply(&mut self.tree, limit);
        assert!(batch.digest_mismatches.is_empty(), "digests were foreseen");
        assert!(self.tree.last_zxid() <= self.durable, "nothing is applied before it is durable");
        for entry in &batch.entries {
            match entry {
                Entry::Connected { conn, session, .. } => {
                    self.sessions[usize::try_from(conn.0).expect("small")] = Some(*session);
                }
                Entry::Close { conn } => self.sessions[usize::try_from(conn.0).expect("small")] = None,
                _ => {}
            }
        }
    }

    fn tick(&mut self, by_ms: i64) {
        self.now_ms += by_ms;
        let due = self.node.due_sessions(self.now());
        let heard = due.iter().copied().filter(|session| session.0 % 2 == 0);
        let heard = heard.map(|session| (session, self.now_ms)).collect();
        self.event(Event::Tick { due, heard });
    }

    fn snapshot(&mut self, budget: usize) {
        if self.node.snapshot(Recipient::Disk).is_none() {
            self.node.begin_snapshot(Recipient::Disk, &self.tree);
        }
        let piece = self.node.snapshot_piece(Recipient::Disk, &self.tree, budget);
        if piece.is_some_and(|piece| piece.is_last) {
            self.node.end_snapshot(Recipient::Disk);
        }
    }

    fn finish(&mut self) {
        if self.log_fails {
            self.step(7, 0, &[]);
        }
        self.persist();
        while self.node.can_apply() {
            self.apply(16);
        }
        assert_eq!(self.tree.last_zxid(), self.node.last_proposed(), "nothing is stuck");
        self.tree.check();
    }
}
