//! What makes an ensemble, and what its members are told.

use super::ensemble::NOT_YET;
use super::*;
use crate::membership::{Membership, Role};
use oxkeeper_codec::ServerId;

const LIMITS: &str = "dataDir=DIR\nclientPort=2181\ninitLimit=10\nsyncLimit=5\n";
const THREE: &str = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n";

/// Loads `zoo.cfg` from a folder with these files; `DIR` stands for the folder, in texts and in messages.
fn load_with(files: &[(&str, &str)], overrides: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let path = dir.path().display().to_string();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text.replace("DIR", &path)).expect("a scratch file");
    }
    let overrides: Vec<_> = overrides.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    Config::load(&dir.path().join("zoo.cfg"), &overrides)
        .map_err(|refusal| refusal.to_string().replace(&path, "DIR"))
}

fn load(text: &str) -> Result<Config, String> {
    load_with(&[("zoo.cfg", &format!("{LIMITS}{text}")), ("myid", "1\n")], &[])
}

/// What member 1 of three is told by this text, besides. (What has no effect yet has a test of its own.)
#[track_caller]
fn told(text: &str) -> Ensemble {
    let mut config = load(&format!("{THREE}{text}")).expect(text);
    let named = |warning: &Warning| warning.key.trim_start_matches("zookeeper.").to_owned();
    config.warnings.retain(|warning| !NOT_YET.iter().any(|(name, ..)| named(warning) == **name));
    assert_eq!(config.warnings, [], "for {text:?}");
    config.ensemble.expect("three servers")
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(load(text).expect_err(text), message, "for {text:?}");
}

/// With exactly this warning.
#[track_caller]
fn warned(text: &str, message: &str) -> Ensemble {
    let config = load(text).expect(text);
    let warnings: Vec<&str> = config.warnings.iter().map(|warning| &*warning.message).collect();
    assert_eq!(warnings, [message], "for {text:?}");
    config.ensemble.expect("an ensemble")
}

#[test]
fn several_participants_are_an_ensemble() {
    let ensemble = told("server.4=d:1:2:observer;2181");
    assert_eq!(ensemble.my_id, ServerId(1));
    let text = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n\
                server.4=d:1:2:observer;0.0.0.0:2181\nversion=0";
    assert_eq!(ensemble.membership.to_string(), text);
    assert_eq!((ensemble.last_seen, ensemble.dynamic_file), (None, None));
    let none = "no failure of a server is tolerated: that needs at least 3 participants";
    warned("server.1=a:1:2\nserver.2=b:1:2", none);
    warned("server.1=a:1:2\nstandaloneEnabled=false", none);
    warned("server.1=a:1:2\nserver.2=b:1:2:observer\nstandaloneEnabled=false", none);
    let odd = "an odd number of participants tolerates as many failures";
    warned(&format!("{THREE}server.4=d:1:2"), odd);
}

#[test]
fn one_participant_is_not() {
    let config = load("server.1=a:1:2").expect("a standalone server");
    assert_eq!(config.ensemble, None);
    let of = |text| Config::parse("f", &format!("dataDir=/d\nclientPort=1\n{text}"), &[]).expect_err(text);
    let nobody =
        "f:3: standaloneEnabled: false asks for an ensemble, and no server.N line names a participant of one";
    assert_eq!(of("standaloneEnabled=false").to_string(), nobody);
}

#[test]
fn a_member_knows_its_number() {
    let with = |myid: &[(&str, &str)]| {
        let zoo = format!("{LIMITS}{THREE}");
        load_with(&[&[("zoo.cfg", &*zoo)], myid].concat(), &[]).map(|config| config.ensemble.expect("three"))
    };
    assert_eq!(with(&[("myid", "2\n")]).expect("listed").my_id, ServerId(2));
    let missing = "myid file is missing: DIR/myid must have the number N of this server's server.N line";
    assert_eq!(with(&[]).expect_err("no file"), missing);
    assert_eq!(with(&[("myid", "-1")]).expect_err("it means none"), missing);
    let number = |text: &str| format!("DIR/myid:1: myid: bad value \"{text}\"; allowed: a whole number");
    assert_eq!(with(&[("myid", "")]).expect_err("empty"), number(""));
    assert_eq!(with(&[("myid", "abc")]).expect_err("no number"), number("abc"));
    let unlisted = "My id 9 not in the peer list: DIR/myid has it, and there is no line server.9";
    assert_eq!(with(&[("myid", "9")]).expect_err("not listed"), unlisted);
}

#[test]
fn limits_are_needed_and_count_ticks() {
    let ensemble = told("tickTime=2000");
    let links = &ensemble.links;
    let limits = (links.init_timeout_ms, links.sync_timeout_ms, links.connect_timeout_ms);
    assert_eq!(limits, (20_000, 10_000, 20_000));
    assert_eq!(ensemble.election.silence_timeout_ms, 10_000);
    let ensemble = told("tickTime=2000\nconnectToLearnerMasterLimit=3\nquorumCnxnTimeoutMs=7");
    assert_eq!((ensemble.links.connect_timeout_ms, ensemble.election.silence_timeout_ms), (6000, 7));
    assert_eq!(told("tickTime=2147483647").links.init_timeout_ms, i32::MAX.unsigned_abs());
    let files = |zoo: &str| load_with(&[("zoo.cfg", &format!("{zoo}{THREE}")), ("myid", "1")], &[]);
    let both = "DIR/zoo.cfg: initLimit is not set: members of an ensemble need it, in ticks; \
                DIR/zoo.cfg: syncLimit is not set: members of an ensemble need it, in ticks";
    assert_eq!(files("dataDir=DIR\nclientPort=1\n").expect_err("no limits"), both);
    let bad = "DIR/zoo.cfg:8: syncLimit: bad value \"0\"; allowed: a whole number from 1 to 2147483647";
    refused(&format!("{THREE}syncLimit=0"), bad);
}

#[test]
fn defaults() {
    let Ensemble { links, election, leading, observers, local_sessions, multi_address, .. } = told("");
    assert_eq!(links.connect_retry_delay_ms, 100);
    assert!(links.no_delay_to_leader && links.no_delay_to_learners);
    assert_eq!((election.bind_attempts, election.connect_timeout_ms), (Some(3), 5000));
    assert_eq!((election.min_notification_ms, election.max_notification_ms), (200, 60_000));
    assert!(!election.keep_alive && leading.serves_clients && !leading.force_snapshot_sync);
    assert_eq!((leading.max_snap_syncs, leading.max_diff_syncs), (10, 100));
    assert_eq!((leading.max_epoch_wait_ms, leading.ack_sample), (None, Some(1000)));
    assert!(observers.write_log);
    assert_eq!((observers.master_port, observers.master_size_limit_bytes), (None, Some(32 << 20)));
    assert_eq!((observers.reconnect_delay_ms, observers.election_delay_ms), (0, 0));
    assert_eq!(local_sessions, LocalSessions { enabled: false, upgrading: false });
    let plain = MultiAddress { enabled: false, check_reachability: true, reachability_timeout_ms: 1000 };
    assert_eq!(multi_address, plain);
}

#[test]
fn every_setting_reaches_its_field() {
    assert!(told("quorumListenOnAllIPs=true").listen_on_all_addresses);
    assert_eq!(told("leaderConnectDelayDuringRetryMs=5").links.connect_retry_delay_ms, 5);
    assert!(!told("leader.nodelay=false").links.no_delay_to_learners);
    assert!(!told("follower.nodelay=false").links.no_delay_to_leader);
    assert_eq!(told("electionPortBindRetry=0").election.bind_attempts, None);
    assert_eq!(told("cnxTimeout=7").election.connect_timeout_ms, 7);
    assert!(told("tcpKeepAlive=true").election.keep_alive);
    assert_eq!(told("fastleader.minNotificationInterval=9").election.min_notification_ms, 9);
    assert_eq!(told("zookeeper.fastleader.maxNotificationInterval=9").election.max_notification_ms, 9);
    assert!(!told("leaderServes=no").leading.serves_clients);
    assert_eq!(told("leader.maxTimeToWaitForEpoch=0").leading.max_epoch_wait_ms, Some(0));
    assert_eq!(told("leader.maxConcurrentSnapSyncs=2").leading.max_snap_syncs, 2);
    assert_eq!(told("leader.maxConcurrentDiffSyncs=2").leading.max_diff_syncs, 2);
    assert_eq!(told("leader.ackLoggingFrequency=-1").leading.ack_sample, None);
    assert!(told("forceSnapshotSync=true").leading.force_snapshot_sync);
    assert!(!told("syncEnabled=false").observers.write_log);
    assert!(told("syncEnabled=false\nobserver.syncEnabled=true").observers.write_log);
    assert_eq!(told("observerMasterPort=2191").observers.master_port, Some(2191));
    assert_eq!(told("observerMasterPort=-1").observers.master_port, None);
    assert_eq!(told("observerMaster.sizeLimit=0").observers.master_size_limit_bytes, None);
    assert_eq!(told("observer.reconnectDelayMs=3").observers.reconnect_delay_ms, 3);
    assert_eq!(told("observer.election.DelayMs=3").observers.election_delay_ms, 3);
    assert!(told("").keep_connections && !told("keepConnections=false").keep_connections);
    let local = told("localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true").local_sessions;
    assert_eq!(local, LocalSessions { enabled: true, upgrading: true });
    assert_eq!(told("multiAddress.reachabilityCheckTimeoutMs=5").multi_address.reachability_timeout_ms, 5);
    assert!(!told("multiAddress.reachabilityCheckEnabled=false").multi_address.check_reachability);
    let port = "DIR/zoo.cfg:8: observerMasterPort: bad value \"65536\"; allowed: a port from 1 to 65535, or 0 for off";
    refused(&format!("{THREE}observerMasterPort=65536"), port);
    let default = "\"many\" is no value of it: a whole number from 1 to 2147483647; the default counts (10)";
    let ensemble = warned(&format!("{THREE}leader.maxConcurrentSnapSyncs=many"), default);
    assert_eq!(ensemble.leading.max_snap_syncs, 10);
}

#[test]
fn the_list_says_who_observes() {
    let observer = "the list of servers says participant, which counts";
    warned(&format!("{THREE}peerType=observer"), observer);
    let text = "server.1=a:1:2:observer\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\n";
    let ensemble = warned(text, "the list of servers says observer, which counts");
    assert_eq!(ensemble.membership.member(ServerId(1)).expect("me").role, Role::Observer);
    assert_eq!(load(&format!("{text}peerType=observer")).expect("it agrees").warnings, []);
}

#[test]
fn groups_decide_by_weight() {
    let ensemble = told("group.1=1:2\ngroup.2=3\nweight.2=0\nversion=1F");
    let text = ensemble.membership.to_string();
    assert!(
        text.ends_with("group.1=1:2\ngroup.2=3\nweight.1=1\nweight.2=0\nweight.3=1\nversion=1f"),
        "{text}"
    );
    let nowhere = "is not in a group; with groups or weights, each participant is in one";
    refused(&format!("{THREE}group.1=1:2"), &format!("DIR/zoo.cfg:7: server.3: {nowhere}"));
    refused(&format!("{THREE}weight.1=2"), &format!("DIR/zoo.cfg:5: server.1: {nowhere}"));
    let twice = "DIR/zoo.cfg:9: group.2: server 1 is in a group twice";
    refused(&format!("{THREE}group.1=1:2:3\ngroup.2=1"), twice);
    let allowed = "a whole number from 0 to 2147483647";
    let bad = format!("DIR/zoo.cfg:9: weight.1: bad value \"-1\"; allowed: {allowed}");
    refused(&format!("{THREE}group.1=1:2:3\nweight.1=-1"), &bad);
    let bad = "DIR/zoo.cfg:8: version: bad value \"0x1\"; allowed: a number in hexadecimal";
    refused(&format!("{THREE}version=0x1"), bad);
}

#[test]
fn several_addresses_have_to_be_allowed() {
    let text = "server.4=a:1:2|b:3:4:observer\n";
    let problem = "several addresses of a server need multiAddress.enabled=true";
    refused(&format!("{THREE}{text}"), &format!("DIR/zoo.cfg:8: server.4: {problem}"));
    let ensemble = told(&format!("{text}multiAddress.enabled=true"));
    assert!(ensemble.multi_address.enabled);
    assert_eq!(ensemble.membership.member(ServerId(4)).expect("listed").addresses.len(), 2);
    let zoo = format!("{LIMITS}{THREE}{text}");
    load_with(&[("zoo.cfg", &zoo), ("myid", "1")], &[("zookeeper.multiAddress.enabled", "true")])
        .expect("a property");
}

#[test]
fn members_log_in_by_sasl() {
    const ALL: &str = "quorum.auth.enableSasl=true\nquorum.auth.learnerRequireSasl=true\n\
                       quorum.auth.serverRequireSasl=true\nfips-mode=false\njava.security.auth.login.config=/j";
    let sasl = told(&format!("{THREE}{ALL}")).sasl.expect("logins");
    assert_eq!((sasl.logs_in, sasl.is_required), (true, true));
    assert_eq!((&*sasl.learner_section, &*sasl.server_section), ("QuorumLearner", "QuorumServer"));
    assert_eq!((&*sasl.service_principal, &sasl.realm), ("zkquorum/localhost", &None));
    assert!(!sasl.is_fips && !sasl.canonical_hosts);
    let further = "\nquorum.auth.kerberos.servicePrincipal=zk/_HOST\nserver.realm=R\nkerberos.canonicalizeHostNames=true";
    let text = format!("{THREE}{ALL}{further}").replace("fips-mode=false\n", "");
    let sasl = told(&text).sasl.expect("logins");
    assert_eq!((&*sasl.service_principal, sasl.realm.as_deref()), ("zk/_HOST", Some("R")));
    assert!(sasl.is_fips && sasl.canonical_hosts);
    for (out, line, message) in [
        (
            "quorum.auth.enableSasl=true\n",
            8,
            "quorum.auth.learnerRequireSasl: it needs quorum.auth.enableSasl=true",
        ),
        (
            "quorum.auth.learnerRequireSasl=true\n",
            9,
            "quorum.auth.serverRequireSasl: it needs quorum.auth.learnerRequireSasl=true: members would not let each other in",
        ),
        (
            "\njava.security.auth.login.config=/j",
            8,
            "quorum.auth.enableSasl: it needs java.security.auth.login.config, the JAAS file",
        ),
    ] {
        refused(&format!("{THREE}{}", ALL.replace(out, "")), &format!("DIR/zoo.cfg:{line}: {message}"));
    }
    load(ALL).expect("a standalone server has no use for it");
}

#[test]
fn members_speak_tls() {
    let tls = |lines: &str| {
        told(&format!("{THREE}{lines}")).tls.map(|tls| (tls.dials, tls.takes_plain, tls.checks_names))
    };
    assert_eq!(tls(""), None);
    assert_eq!(tls("sslQuorum=true"), Some((true, false, false)));
    assert_eq!(tls("portUnification=true"), Some((false, true, false)));
    assert_eq!(tls("sslQuorum=true\nportUnification=true\nfips-mode=false"), Some((true, true, true)));
}

/// As in `QuorumOracleMaj`: it decides among two participants only, and where there is one, nobody asks for groups.
#[test]
fn an_oracle_is_refused_where_it_would_decide() {
    let reason = "the oracle of two servers is not available in this version";
    const TWO: &str = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\n";
    refused(
        &format!("{TWO}oraclePath=/o"),
        &format!("DIR/zoo.cfg:8: oraclePath=/o: not supported yet: {reason}"),
    );
    let groups = "an oracle and groups: one of them only can say what a quorum is";
    let text = format!("{THREE}group.1=1:2:3\noraclePath=/o");
    refused(&text, &format!("DIR/zoo.cfg:9: oraclePath: {groups}"));
    warned(&format!("{THREE}oraclePath=/o"), &format!("no effect: {reason}, and there are not two"));
    assert_eq!(load(&format!("{THREE}oraclePath=")).expect("empty").warnings, []);
    load("oraclePath=/o").expect("a standalone server has no use for it");
}

#[test]
fn a_dynamic_file_has_the_members_and_the_version_in_its_name() {
    let zoo = format!("{LIMITS}dynamicConfigFile=DIR/zoo.cfg.dynamic.100000002\n");
    let files =
        |more: &[(&str, &str)]| load_with(&[&[("zoo.cfg", &*zoo), ("myid", "1")], more].concat(), &[]);
    let name = "zoo.cfg.dynamic.100000002";
    let ensemble = files(&[(name, THREE)]).expect("three servers").ensemble.expect("an ensemble");
    assert_eq!(ensemble.membership.version(), 0x1_0000_0002);
    assert!(ensemble.dynamic_file.is_some_and(|path| path.ends_with(name)));
    assert_eq!(ensemble.last_seen, None);
    let next = "server.1=a:1:2\nversion=100000003";
    let both = [(name, THREE), ("zoo.cfg.dynamic.next", next)];
    let last_seen = files(&both).expect("a change under way").ensemble.expect("an ensemble").last_seen;
    assert_eq!(last_seen, Some(Membership::parse(next).expect("its text")));
    let error = files(&[(name, THREE), ("zoo.cfg.dynamic.next", "server.1=a")]).expect_err("no member");
    assert!(error.starts_with("DIR/zoo.cfg.dynamic.next:1: server.1: bad value \"a\""), "{error}");
    let only = "a dynamic configuration file has server, group and weight lines only";
    for line in ["sever.4=d:1:2", "version=1", "initLimit=1"] {
        let (key, _) = line.split_once('=').expect("a line");
        let error = files(&[(name, &format!("{THREE}{line}"))]).expect_err(line);
        assert_eq!(error, format!("DIR/{name}:4: {key}: {only}"));
    }
}

#[test]
fn a_dynamic_file_without_a_version_in_its_name_has_version_0() {
    for name in ["dynamic", "zoo.cfg.dynamic", "d.xyz"] {
        let zoo = format!("{LIMITS}version=5\ndynamicConfigFile=DIR/{name}\n");
        let config = load_with(&[("zoo.cfg", &zoo), ("myid", "1"), (name, THREE)], &[]).expect(name);
        assert_eq!(config.ensemble.expect("an ensemble").membership.version(), 0, "{name}");
    }
}

#[test]
fn the_client_port_may_stand_in_the_own_line() {
    let zoo = "dataDir=DIR\ninitLimit=1\nsyncLimit=1\nserver.1=a:1:2;127.0.0.1:2181\nserver.2=b:1:2\nserver.3=c:1:2";
    let config = load_with(&[("zoo.cfg", zoo), ("myid", "1")], &[]).expect("a port");
    assert_eq!((config.client.port, config.client.address.as_deref()), (Some(2181), Some("127.0.0.1")));
    let error = load_with(&[("zoo.cfg", zoo), ("myid", "2")], &[]).expect_err("no port");
    assert!(error.starts_with("DIR/zoo.cfg: clientPort is not set"), "{error}");
    // What stands in zoo.cfg alone is not told to other members.
    assert!(!told("").membership.to_string().contains(';'));
}

#[test]
fn all_that_is_wrong_is_named() {
    let text = "server.1=a:1:1\nserver.2=b\nserver.x=c:1:2\ngroup.1=x\ntickTime=0";
    let error = load(text).expect_err("five things");
    for key in ["server.1", "server.2", "server.x", "group.1", "tickTime"] {
        assert!(error.contains(&format!(": {key}: ")), "{key} in {error}");
    }
}

#[test]
fn what_a_member_cannot_do_yet_is_said() {
    let said = |line: &str| {
        let config = load(&format!("{THREE}{line}")).expect(line);
        config.warnings.iter().map(|warning| warning.message.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(said("localSessionsEnabled=true"), [""; 0]);
    assert_eq!(said("readonlymode.enabled=true"), [""; 0]);
    assert_eq!(said("observerMasterPort=2191"), [""; 0]);
    assert_eq!(said("syncEnabled=false\nobserver.syncEnabled=false"), [""; 0]);
    for (name, ..) in NOT_YET {
        assert!(Config::describe(&[name.to_owned()]).is_ok(), "{name} is in the table");
    }
}
