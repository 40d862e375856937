//! What the corpora start from: small valid inputs, made by the code that writes them.

use bytes::Bytes;
use oxkeeper::{
    session::encode_sessions,
    storage::{Compression, LogOptions, MemoryDisk, SnapshotTail, SnapshotWriter, TxnLog, ZxidDigest},
    tree::{Snapshotter, Tree, TreeOptions},
};
use oxkeeper_codec::{
    ByteStr, Code, Encode, OpCode, ServerId, SessionId, Zxid,
    election::{Hello, Notification, PeerState},
    frame::{begin_frame, end_frame},
    learner::{ForwardedRequest, LearnerInfo, PROTOCOL_VERSION, SNAPSHOT_END, ToLeader, ToLearner},
    records::*,
    txn::{LoggedTxn, Txn},
};
use std::{borrow::Cow, sync::Arc};

/// All inputs of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "handshake" => handshakes(),
        "request" => requests().into_iter().map(|(op, body)| with_header(op, &body)).collect(),
        "txn" => txns().iter().map(encoded).collect(),
        "multi" => vec![multi(), end_of_multi(), multi_read()],
        "quorum" => vec![said(), told(), SNAPSHOT_END.to_vec()],
        "election" => elections(),
        "frame" => vec![frames(), vec![0; 4], vec![0xff; 8], frames()[..9].to_vec()],
        "log_file" => vec![log(), log()[..100].to_vec(), log()[..16].to_vec()],
        "snapshot_file" => {
            let packings = [Compression::None, Compression::Gzip, Compression::Snappy];
            packings.into_iter().zip(0..).map(|(packing, byte)| snapshot(packing, byte)).collect()
        }
        "zoo_cfg" => configs(),
        "membership" => MEMBERSHIPS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "node" => events(),
        "store" => STORES.iter().map(|(kind, bytes)| [&[*kind], *bytes].concat()).collect(),
        "jaas" => vec![JAAS.as_bytes().to_vec(), b"CN=a\\, b+OU=\"c\",O=#0c0161".to_vec()],
        "login" => LOGINS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        other => panic!("no target {other}"),
    }
}

/// See tests/data/tls/README.md.
const STORES: [(u8, &[u8]); 5] = [
    (0, include_bytes!("../../tests/data/tls/plain.pem")),
    (0, include_bytes!("../../tests/data/tls/encrypted.pem")),
    (1, include_bytes!("../../tests/data/tls/openssl.p12")),
    (1, include_bytes!("../../tests/data/tls/keytool.jks")),
    (1, include_bytes!("../../tests/data/tls/trust.p12")),
];

const JAAS: &str = "// a\nServer { a.DigestLoginModule required user_bob=\"b\\\"b\" /* c */ x=true; };\n\
                    Client { com.sun.Krb5LoginModule required keyTab=\"${user.home}/k\"; };\n";

const LOGINS: [&str; 4] = [
    "realm=\"x\",nonce=\"bm9uY2U=\",charset=utf-8,algorithm=md5-sess",
    "charset=utf-8,username=\"bob\",realm=\"zk-sasl-md5\",nonce=\"bm9uY2U=\",nc=00000001,cnonce=\"c\",\
     digest-uri=\"zookeeper/zk-sasl-md5\",maxbuf=65536,response=00000000000000000000000000000000,qop=auth",
    "rspauth=00000000000000000000000000000000",
    "RULE:[2:$1;$2](^.*;host$)s/;.*$// DEFAULT",
];

fn handshakes() -> Vec<Vec<u8>> {
    let request = |session, passwd: Option<&'static [u8]>| ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid(7),
        time_out: 30_000,
        session_id: SessionId(session),
        passwd: passwd.map(Bytes::from_static),
        read_only: true,
    };
    let new = request(0, Some(&[0; 16])).to_vec();
    vec![new[..new.len() - 1].to_vec(), new, request(5, Some(&[7; 16])).to_vec(), request(5, None).to_vec()]
}

fn acl() -> AclList {
    Some(vec![Acl {
        perms: oxkeeper_codec::Perms::ALL,
        id: Id { scheme: "world".into(), id: "anyone".into() },
    }])
}

/// What a worker answers by itself.
fn local() -> Vec<(OpCode, Vec<u8>)> {
    let auth = |scheme: &str, auth: &'static [u8]| {
        AuthPacket { kind: 0, scheme: scheme.into(), auth: Some(Bytes::from_static(auth)) }.to_vec()
    };
    let sasl = |token| GetSaslRequest { token }.to_vec();
    let add = |path: &'static str, mode| AddWatchRequest { path: Some(Cow::Borrowed(path)), mode }.to_vec();
    let check = |path: &'static str, kind| CheckWatchesRequest { path: Cow::Borrowed(path), kind }.to_vec();
    let paths = |of: &[&str]| Some(of.iter().map(|&path| path.into()).collect::<Vec<_>>());
    let again = SetWatches {
        relative_zxid: Zxid(1),
        data_watches: paths(&["/a", "/gone"]),
        exist_watches: paths(&["/x"]),
        child_watches: paths(&["/a", "/"]),
    };
    let again2 = SetWatches2 {
        relative_zxid: again.relative_zxid,
        data_watches: again.data_watches.clone(),
        exist_watches: paths(&["/a/b"]),
        child_watches: paths(&[]),
        persistent_watches: paths(&["/a", "/p"]),
        persistent_recursive_watches: paths(&["/"]),
    };
    vec![
        (OpCode::AUTH, auth("digest", b"alice:secret")),
        (OpCode::AUTH, auth("ip", b"")),
        (OpCode::SASL, sasl(Some(Bytes::from_static(b"token")))),
        (OpCode::SASL, sasl(None)),
        (OpCode::ADD_WATCH, add("/a", 0)),
        (OpCode::ADD_WATCH, add("/a/b", 1)),
        (OpCode::CHECK_WATCHES, check("/a", 3)),
        (OpCode::REMOVE_WATCHES, check("/a/b", 1)),
        (OpCode::SET_WATCHES, again.to_vec()),
        (OpCode::SET_WATCHES2, again2.to_vec()),
        (OpCode::SET_WATCHES2, SetWatches2 { child_watches: None, ..again2 }.to_vec()),
    ]
}

fn requests() -> Vec<(OpCode, Vec<u8>)> {
    let data = Some(Bytes::from_static(b"data"));
    let create = |path: &str, flags| {
        CreateRequest { path: path.into(), data: data.clone(), acl: acl(), flags }.to_vec()
    };
    let get = |path: &'static str| GetDataRequest { path: Cow::Borrowed(path), watch: true }.to_vec();
    let ttl = CreateTtlRequest { path: "/t".into(), data: None, acl: acl(), flags: 5, ttl: 1000 };
    let joining = ReconfigRequest {
        joining_servers: Some("server.1=a:1:2".into()),
        leaving_servers: None,
        new_members: None,
        cur_config_id: -1,
    };
    let mut all = vec![
        (OpCode::CREATE, create("/c", 0)),
        (OpCode::CREATE2, create("/a/s-", 3)),
        (OpCode::CREATE_CONTAINER, create("/k", 4)),
        (OpCode::CREATE_TTL, ttl.to_vec()),
        (OpCode::CREATE, create("/zookeeper/quota/a/zookeeper_limits", 0)),
        (OpCode::DELETE, DeleteRequest { path: "/a/b".into(), version: 0 }.to_vec()),
        (OpCode::SET_DATA, SetDataRequest { path: "/a".into(), data, version: -1 }.to_vec()),
        (OpCode::SET_ACL, SetAclRequest { path: "/a".into(), acl: acl(), version: 0 }.to_vec()),
        (OpCode::RECONFIG, joining.to_vec()),
        (OpCode::MULTI, multi()),
        (OpCode::MULTI_READ, multi_read()),
        (OpCode::GET_DATA, get("/a")),
        (OpCode::EXISTS, get("/x")),
        (OpCode::GET_CHILDREN, get("/")),
        (OpCode::GET_CHILDREN2, get("/a")),
        (OpCode::GET_ACL, GetAclRequest { path: Cow::Borrowed("/a") }.to_vec()),
        (OpCode::SYNC, SyncRequest { path: None }.to_vec()),
        (OpCode::PING, Vec::new()),
        (OpCode::GET_EPHEMERALS, GetEphemeralsRequest { prefix_path: Some(Cow::Borrowed("/")) }.to_vec()),
        (OpCode::GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest { path: Cow::Borrowed("/") }.to_vec()),
        (OpCode::WHO_AM_I, Vec::new()),
    ];
    all.extend(local());
    all
}

fn with_header(op: OpCode, body: &[u8]) -> Vec<u8> {
    let mut bytes = RequestHeader { xid: 1, op }.to_vec();
    bytes.extend(body);
    bytes
}

fn multi_of(ops: &[(OpCode, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (op, body) in ops {
        MultiHeader { op: *op, done: false, err: -1 }.encode(&mut bytes);
        bytes.extend(body);
    }
    bytes.extend(end_of_multi());
    bytes
}

fn end_of_multi() -> Vec<u8> {
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.to_vec()
}

fn multi() -> Vec<u8> {
    let create = CreateRequest { path: "/m".into(), data: None, acl: acl(), flags: 0 }.to_vec();
    let check = CheckVersionRequest { path: "/a".into(), version: 0 }.to_vec();
    let delete = DeleteRequest { path: "/m".into(), version: -1 }.to_vec();
    multi_of(&[(OpCode::CREATE2, create), (OpCode::CHECK, check), (OpCode::DELETE, delete)])
}

fn multi_read() -> Vec<u8> {
    let get = |path: &'static str| GetDataRequest { path: Cow::Borrowed(path), watch: false }.to_vec();
    multi_of(&[(OpCode::GET_DATA, get("/a")), (OpCode::GET_CHILDREN, get("/"))])
}

fn txns() -> Vec<LoggedTxn> {
    let acl = acl().unwrap_or_default();
    let create = |path: &str, ephemeral| CreateTxn {
        path: path.into(),
        data: Some(Bytes::from_static(b"d")),
        acl: acl.clone(),
        ephemeral,
        parent_cversion: -1,
    };
    let set = SetDataTxn { path: "/c".into(), data: None, version: 1 };
    let multi = vec![Txn::Create2(create("/m", false)), Txn::error(Code::NO_NODE)];
    let txns = vec![
        Txn::CreateSession(CreateSessionTxn { time_out: 4000 }),
        Txn::Create(create("/c", false)),
        Txn::Create2(create("/c/e", true)),
        Txn::SetData(set),
        Txn::SetAcl(SetAclTxn { path: "/c".into(), acl: acl.clone(), version: 1 }),
        Txn::Multi(multi),
        Txn::error(Code::BAD_VERSION),
        Txn::CloseSession(Some(CloseSessionTxn { paths_to_delete: vec!["/c/e".into()] })),
        Txn::Delete(DeleteTxn { path: "/c".into() }),
        Txn::CloseSession(None),
    ];
    let logged = |(txn, zxid): (Txn, i64)| LoggedTxn {
        header: TxnHeader { client_id: SessionId(5), cxid: 1, zxid: Zxid(zxid), time: 9, op: txn.op() },
        digest: (zxid % 2 == 0).then_some(TxnDigest { version: 2, tree_digest: 77 }),
        txn,
    };
    txns.into_iter().zip(1..).map(logged).collect()
}

fn encoded(logged: &LoggedTxn) -> Vec<u8> {
    let mut body = Vec::new();
    logged.encode(&mut body);
    body
}

fn frames() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (op, body) in requests().into_iter().take(4) {
        let start = begin_frame(&mut bytes);
        bytes.extend(with_header(op, &body));
        end_frame(&mut bytes, start).unwrap();
    }
    bytes
}

const CONFIG: &str = "server.1=a:2888:3888:participant\nserver.2=b:2888:3888:observer\nversion=0";

/// One of each packet that a learner sends.
fn said() -> Vec<u8> {
    let info = |observer, config_version| LearnerInfo {
        observer,
        accepted_epoch: 1,
        sid: ServerId(2),
        protocol_version: PROTOCOL_VERSION,
        config_version,
    };
    let request = |op, body: &[u8], identities| {
        ToLeader::Request(ForwardedRequest {
            session: SessionId(5),
            cxid: 1,
            op,
            body: Bytes::copy_from_slice(body),
            identities,
        })
    };
    let ids = ["anyone", "10.0.0.1"].map(|id| Id { scheme: "ip".into(), id: id.into() }).to_vec();
    let packets = [
        ToLeader::Info(info(false, Some(7))),
        ToLeader::Info(info(true, None)),
        ToLeader::AckEpoch { last_zxid: Zxid(3), current_epoch: Some(1) },
        ToLeader::AckEpoch { last_zxid: Zxid(3), current_epoch: None },
        ToLeader::Ack(Zxid::begin_of(1)),
        ToLeader::Ping { zxid: Zxid(3), touched: vec![(SessionId(5), 4000), (SessionId(6), 8000)] },
        request(OpCode::CREATE_SESSION, &4000i32.to_be_bytes(), None),
        request(OpCode::SYNC, &SyncRequest { path: Some(Cow::Borrowed("/")) }.to_vec(), Some(ids)),
        ToLeader::Revalidate { session: SessionId(5), timeout_ms: 4000 },
    ];
    let mut bytes = Vec::new();
    packets.iter().for_each(|packet| packet.encode(&mut bytes));
    bytes
}

/// One of each packet that a leader sends.
fn told() -> Vec<u8> {
    let (zxid, leader) = (Zxid(3), ServerId(2));
    let txn = Bytes::from(encoded(&txns()[0]));
    let packets = [
        ToLearner::LeaderInfo { epoch: 1, protocol_version: PROTOCOL_VERSION },
        ToLearner::Diff(zxid),
        ToLearner::Trunc(zxid),
        ToLearner::Snap(zxid),
        ToLearner::NewLeader { epoch: 1, config: Some(CONFIG.into()) },
        ToLearner::NewLeader { epoch: 1, config: None },
        ToLearner::UpToDate,
        ToLearner::Proposal(zxid, txn.clone()),
        ToLearner::Commit(zxid),
        ToLearner::CommitAndActivate(zxid, leader),
        ToLearner::Inform(zxid, txn.clone()),
        ToLearner::InformAndActivate(zxid, leader, txn),
        ToLearner::Ping(zxid),
        ToLearner::Revalidated { session: SessionId(5), valid: true },
        ToLearner::Sync,
    ];
    let mut bytes = Vec::new();
    packets.iter().for_each(|packet| packet.encode(&mut bytes));
    bytes
}

/// Hellos in each form, with votes behind them.
fn elections() -> Vec<Vec<u8>> {
    let vote = |state, config: Option<&str>| Notification {
        state,
        leader: ServerId(2),
        zxid: Zxid(3),
        election_epoch: 1,
        peer_epoch: 1,
        config: config.map(ByteStr::from),
    };
    let addresses: [&[&str]; 3] = [&[], &["a:3888"], &["[::1]:3888", "0.0.0.0:1", "b:3889"]];
    let with_votes = |addresses: &[&str]| {
        let mut bytes = Vec::new();
        let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
        Hello { sid: ServerId(1), addresses }.encode(&mut bytes);
        vote(PeerState::Looking, Some(CONFIG)).encode_framed(&mut bytes).expect("it is short");
        vote(PeerState::Leading, None).encode_framed(&mut bytes).expect("it is short");
        // As older servers send it.
        let mut short = Vec::new();
        vote(PeerState::Following, None).encode(&mut short);
        for len in [28, 40] {
            bytes.extend([0, 0, 0, len]);
            bytes.extend(&short[..usize::from(len)]);
        }
        bytes
    };
    addresses.into_iter().map(with_votes).collect()
}

fn log() -> Vec<u8> {
    let disk = MemoryDisk::new("/seed");
    let options = LogOptions { prealloc_bytes: 0, ..LogOptions::default() };
    let mut log = TxnLog::new(Arc::new(disk.clone()), options, Vec::new());
    for logged in txns() {
        log.append(logged.header.zxid, &encoded(&logged)).expect("it is short");
    }
    log.close().expect("memory takes it");
    disk.content("log.1").expect("just written")
}

fn snapshot(packing: Compression, byte: u8) -> Vec<u8> {
    let disk = MemoryDisk::new("/seed");
    let mut tree = Tree::new(TreeOptions::default());
    txns().iter().take(5).for_each(|logged| {
        tree.apply(logged, &mut (), &mut Vec::new());
    });
    let zxid = tree.last_zxid();
    let digest = ZxidDigest { zxid, version: 2, digest: tree.digest().cast_signed() };
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), zxid, packing).expect("memory takes it");
    let mut sessions = Vec::new();
    encode_sessions([(SessionId(5), 4000)].into_iter(), &mut sessions);
    writer.write(&sessions).expect("memory takes it");
    let pieces = Snapshotter::begin(&tree).pieces(&tree, usize::MAX);
    pieces.for_each(|piece| writer.write(&piece).expect("memory takes it"));
    let tail = SnapshotTail { digest: Some(digest), last_zxid: Some(zxid) };
    let written = writer.finish(&tail).expect("memory takes it");
    let mut bytes = vec![byte];
    bytes.extend(disk.content(&written.name).expect("just written"));
    bytes
}

const MEMBERSHIPS: [&str; 2] = [
    "server.1=127.0.0.1:2888:3888:participant;0.0.0.0:2181\n\
     server.2=[0:0:0:0:0:0:0:1]:2888:3888:observer\nversion=100000002",
    "server.1=a:1:2|b:3:4\nserver.2=c:1:2;h:2181\ngroup.1=1\ngroup.2=2\nweight.2=0\n",
];

fn configs() -> Vec<Vec<u8>> {
    let texts = [
        "dataDir=/tmp/z\nclientPort=2181\n",
        "# all\ntickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=/d\ndataLogDir=/l\nclientPort=2181\n\
         maxClientCnxns=60\nautopurge.snapRetainCount=3\nautopurge.purgeInterval=1\n",
        "dataDir=/d\nclientPort=2181\nserver.1=a:2888:3888\nserver.2=b:2888:3888:observer;2181\n",
        "dataDir = /d \\\n  /e\nclientPort\\u003d2181\nclientPortAddress: 0.0.0.0\n!x\n",
        "",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Sequences of steps; see `targets::node`.
fn events() -> Vec<Vec<u8>> {
    let open = [0, 0, 3, 0, 4, 9];
    let mut all = Vec::new();
    for (op, body) in requests() {
        let (Ok(op), Ok(len)) = (u8::try_from(op.0), u8::try_from(body.len())) else { continue };
        let mut steps = open.to_vec();
        steps.extend([1, 0, op, len]);
        steps.extend(&body);
        // A snapshot in slices, another of the same, durable, applied, the log fails and recovers, time passes.
        steps.extend([6, 20, 1, 0, op, len]);
        steps.extend(&body);
        steps.extend([3, 0, 4, 1, 7, 0, 1, 0, op, 0, 7, 0, 3, 0, 4, 9, 6, 255, 5, 255, 5, 255, 5, 255, 3, 0]);
        all.push(steps);
    }
    all.push([&open[..], &[1, 0, 255, 0, 1, 0, 4, 0, 3, 0, 4, 9]].concat());
    all
}
