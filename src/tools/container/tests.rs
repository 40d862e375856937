//! What the variables of the two images become.

use super::*;
use crate::config::Config;

fn env(pairs: &[(&str, &str)]) -> Env {
    Env(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The plan, whose file a server would take.
fn planned(pairs: &[(&str, &str)]) -> Plan {
    let plan = plan(&env(pairs)).expect("good variables");
    let dir = tempfile::tempdir().expect("a directory");
    let mut text = plan.text();
    for own in ["/datalog", "/data", "/bitnami/zookeeper/data"] {
        text = text.replace(&format!("={own}\n"), &format!("={}\n", dir.path().display()));
    }
    fs::write(dir.path().join("myid"), &plan.my_id).expect("a file");
    let path = dir.path().join("zoo.cfg");
    fs::write(&path, text).expect("a file");
    let check = Config::check(&path, &[]);
    assert!(check.outcome.is_ok(), "{:?} {}", check.outcome, plan.text());
    plan
}

fn value<'p>(plan: &'p Plan, key: &str) -> Option<&'p str> {
    plan.lines.iter().find(|(there, _)| there == key).map(|(_, value)| value.as_str())
}

#[test]
fn without_variables_it_is_the_official_image() {
    let plan = planned(&[("PATH", "/bin")]);
    assert_eq!((plan.conf_dir.as_path(), plan.data_dir.as_path()), (Path::new("/conf"), Path::new("/data")));
    let expected = "dataDir=/data\ndataLogDir=/datalog\ntickTime=2000\ninitLimit=5\nsyncLimit=2\nautopurge.snapRetainCount=3\n\
                    autopurge.purgeInterval=0\nmaxClientCnxns=60\nstandaloneEnabled=true\nadmin.enableServer=true\n\
                    server.1=localhost:2888:3888;2181\n";
    assert_eq!((plan.text().as_str(), plan.my_id.as_str()), (expected, "1"));
}

#[test]
fn each_variable_of_the_official_image() {
    let plan = planned(&[
        ("ZOO_MY_ID", "2"),
        (
            "ZOO_SERVERS",
            "server.1=a:2888:3888;2181 server.2=b:2888:3888;2181\nserver.3=c:2888:3888:observer;2181",
        ),
        ("ZOO_TICK_TIME", "1000"),
        ("ZOO_INIT_LIMIT", "9"),
        ("ZOO_SYNC_LIMIT", "8"),
        ("ZOO_MAX_CLIENT_CNXNS", "7"),
        ("ZOO_STANDALONE_ENABLED", "false"),
        ("ZOO_ADMINSERVER_ENABLED", "false"),
        ("ZOO_AUTOPURGE_PURGEINTERVAL", "6"),
        ("ZOO_AUTOPURGE_SNAPRETAINCOUNT", "5"),
        ("ZOO_4LW_COMMANDS_WHITELIST", "srvr, ruok"),
        ("ZOO_CFG_EXTRA", "metricsProvider.httpPort=7070 preAllocSize=100"),
        ("ZOO_CONF_DIR", "/etc/zk"),
        ("JVMFLAGS", "-Xmx1g -Dzookeeper.snapCount=5"),
    ]);
    let expected = [
        ("server.3", "c:2888:3888:observer;2181"),
        ("tickTime", "1000"),
        ("initLimit", "9"),
        ("syncLimit", "8"),
        ("maxClientCnxns", "7"),
        ("standaloneEnabled", "false"),
        ("admin.enableServer", "false"),
        ("autopurge.purgeInterval", "6"),
        ("autopurge.snapRetainCount", "5"),
        ("4lw.commands.whitelist", "srvr, ruok"),
        ("metricsProvider.httpPort", "7070"),
        ("preAllocSize", "100"),
    ];
    for (key, wanted) in expected {
        assert_eq!(value(&plan, key), Some(wanted), "{key}");
    }
    assert_eq!((plan.my_id.as_str(), plan.conf_dir.as_path()), ("2", Path::new("/etc/zk")));
    assert_eq!(plan.jvm_flags, ["-Xmx1g", "-Dzookeeper.snapCount=5"]);
    let refused =
        super::plan(&env(&[("ZOO_SERVERS", "a:2888:3888")])).expect_err("a server of the other image");
    assert!(refused.contains("a:2888:3888"), "{refused}");
}

#[test]
fn each_variable_of_bitnamis_image() {
    let plan = planned(&[
        ("ALLOW_EMPTY_PASSWORD", "1"),
        ("ZOO_SERVER_ID", "7"),
        ("ZOO_SERVERS", "a:2888:3888::5,b:2888:3888::6 c:2888:3888:observer::7"),
        ("ZOO_PORT_NUMBER", "2182"),
        ("ZOO_PEER_TYPE", "observer"),
        ("ZOO_ENABLE_ADMIN_SERVER", "yes"),
        ("ZOO_ADMIN_SERVER_ADDRESS", "0.0.0.0"),
        ("ZOO_ADMIN_SERVER_PORT_NUMBER", "8081"),
        ("ZOO_MAX_CNXNS", "5"),
        ("ZOO_MAX_SESSION_TIMEOUT", "50000"),
        ("ZOO_PRE_ALLOC_SIZE", "1024"),
        ("ZOO_SNAPCOUNT", "1000"),
        ("ZOO_AUTOPURGE_INTERVAL", "24"),
        ("ZOO_AUTOPURGE_RETAIN_COUNT", "4"),
        ("ZOO_RECONFIG_ENABLED", "yes"),
        ("ZOO_LISTEN_ALLIPS_ENABLED", "yes"),
        ("ZOO_ENABLE_PROMETHEUS_METRICS", "yes"),
        ("ZOO_PROMETHEUS_METRICS_PORT_NUMBER", "9141"),
        ("ZOO_LOG_LEVEL", "WARN"),
        ("ZOO_HEAP_SIZE", "512"),
        ("ZOO_DATA_LOG_DIR", "/bitnami/zookeeper/data"),
        ("ZOO_CFG_snapshot_compression_method", "gz"),
    ]);
    let expected = [
        ("clientPort", "2182"),
        ("server.5", "a:2888:3888;2182"),
        ("server.7", "c:2888:3888:observer;2182"),
        ("peerType", "observer"),
        ("admin.enableServer", "true"),
        ("admin.serverAddress", "0.0.0.0"),
        ("admin.serverPort", "8081"),
        ("maxCnxns", "5"),
        ("maxSessionTimeout", "50000"),
        ("preAllocSize", "1024"),
        ("snapCount", "1000"),
        ("autopurge.purgeInterval", "24"),
        ("autopurge.snapRetainCount", "4"),
        ("reconfigEnabled", "true"),
        ("quorumListenOnAllIPs", "true"),
        ("metricsProvider.httpPort", "9141"),
        ("snapshot.compression.method", "gz"),
        ("4lw.commands.whitelist", "srvr, mntr"),
        ("initLimit", "10"),
        ("fips-mode", "true"),
    ];
    for (key, wanted) in expected {
        assert_eq!(value(&plan, key), Some(wanted), "{key}");
    }
    assert_eq!((plan.my_id.as_str(), plan.log_level.as_deref()), ("7", Some("warn")));
}

#[test]
fn users_of_bitnamis_image() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&secret, "s3cret\n").expect("written");
    let path = secret.path().display().to_string();
    let plan = planned(&[
        ("ZOO_ENABLE_AUTH", "yes"),
        ("ZOO_FIPS_MODE", "no"),
        ("ZOO_SERVER_USERS", "alice,bob"),
        ("ZOO_SERVER_PASSWORDS", "one;two"),
        ("ZOO_CLIENT_USER", "alice"),
        ("ZOO_CLIENT_PASSWORD_FILE", &path),
        ("ZOO_ENABLE_QUORUM_AUTH", "true"),
        ("ZOO_QUORUM_LEARNER_USER", "q"),
        ("ZOO_QUORUM_LEARNER_PASSWORD", "p"),
        ("ZOO_QUORUM_SERVER_USERS", "q"),
        ("ZOO_QUORUM_SERVER_PASSWORDS", "p"),
    ]);
    for key in ["sessionRequireClientSASLAuth", "quorum.auth.enableSasl", "quorum.auth.serverRequireSasl"] {
        assert_eq!(value(&plan, key), Some("true"), "{key}");
    }
    assert_eq!(value(&plan, "fips-mode"), Some("false"));
    let jaas = plan.jaas.expect("users");
    for part in [
        "user_alice=\"one\"",
        "user_bob=\"two\";",
        "password=\"s3cret\";",
        "QuorumLearner {",
        "user_q=\"p\";",
    ] {
        assert!(jaas.contains(part), "{part}: {jaas}");
    }
}

#[test]
fn tls_of_bitnamis_image() {
    let plan = plan(&env(&[
        ("ALLOW_ANONYMOUS_LOGIN", "yes"),
        ("ZOO_TLS_CLIENT_ENABLE", "true"),
        ("ZOO_TLS_CLIENT_KEYSTORE_FILE", "/k.jks"),
        ("ZOO_TLS_CLIENT_KEYSTORE_PASSWORD", "k"),
        ("ZOO_TLS_CLIENT_TRUSTSTORE_FILE", "/t.pem"),
        ("ZOO_TLS_CLIENT_TRUSTSTORE_TYPE", "PEM"),
        ("ZOO_TLS_CLIENT_AUTH", "want"),
        ("ZOO_TLS_QUORUM_ENABLE", "true"),
        ("ZOO_TLS_QUORUM_KEYSTORE_FILE", "/q.jks"),
    ]))
    .expect("good variables");
    let expected = [
        ("secureClientPort", Some("3181")),
        ("clientPort", None),
        ("ssl.clientAuth", Some("want")),
        ("ssl.keyStore.location", Some("/k.jks")),
        ("ssl.keyStore.password", Some("k")),
        ("ssl.trustStore.location", Some("/t.pem")),
        ("ssl.trustStore.type", Some("PEM")),
        ("sslQuorum", Some("true")),
        ("ssl.quorum.clientAuth", Some("need")),
        ("ssl.quorum.keyStore.location", Some("/q.jks")),
    ];
    for (key, wanted) in expected {
        assert_eq!(value(&plan, key), wanted, "{key}");
    }
}

#[test]
fn what_bitnamis_image_refuses() {
    for (wrong, told) in [
        (vec![("ZOO_PORT_NUMBER", "2181")], "ALLOW_ANONYMOUS_LOGIN"),
        (vec![("ALLOW_EMPTY_PASSWORD", "yes"), ("ZOO_PEER_TYPE", "leader")], "ZOO_PEER_TYPE"),
        (vec![("ALLOW_EMPTY_PASSWORD", "yes"), ("ZOO_TLS_CLIENT_AUTH", "maybe")], "ZOO_TLS_CLIENT_AUTH"),
        (
            vec![("ZOO_ENABLE_AUTH", "yes"), ("ZOO_SERVER_USERS", "a,b"), ("ZOO_SERVER_PASSWORDS", "x")],
            "2 words",
        ),
        (vec![("ALLOW_EMPTY_PASSWORD", "yes"), ("ZOO_ENABLE_QUORUM_AUTH", "yes")], "ZOO_QUORUM_LEARNER_USER"),
        (vec![("ALLOW_EMPTY_PASSWORD", "yes"), ("ZOO_SERVERS", "a:1:2::1,b:1:2")], "has no id"),
    ] {
        let refused = plan(&env(&wrong)).expect_err("refused");
        assert!(refused.contains(told), "{refused}");
    }
    let both =
        plan(&env(&[("ALLOW_EMPTY_PASSWORD", "yes"), ("ZOO_MY_ID", "3")])).expect("one of them counts");
    assert!(both.warnings[0].contains("ZOO_MY_ID has no effect"), "{:?}", both.warnings);
}

#[test]
fn a_root_that_is_read_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let data_dir = dir.path().join("data");
    // A file where a directory would have to be: nobody can write below it.
    fs::write(dir.path().join("conf"), "").expect("a file");
    let plan = Plan {
        conf_dir: dir.path().join("conf"),
        data_dir: data_dir.clone(),
        dirs: vec![data_dir.clone()],
        lines: vec![("clientPort".to_owned(), "0".to_owned())],
        my_id: "4".to_owned(),
        jaas: Some("Server {};".to_owned()),
        ..Plan::default()
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal { input: &mut std::io::empty(), out: &mut out, err: &mut err };
    for _ in 0..2 {
        let config = write(&plan, &mut terminal).expect("the data directory can be written");
        assert_eq!(config, data_dir.join("conf/zoo.cfg"));
        assert_eq!(fs::read_to_string(&config).expect("it is there"), "clientPort=0\n");
    }
    assert_eq!(fs::read_to_string(data_dir.join("myid")).expect("it is there"), "4\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(data_dir.join("conf/zoo_jaas.conf")).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o400);
    assert!(String::from_utf8_lossy(&err).contains("cannot be written"));
}

/// Whatever ends it in between: with a `zoo.cfg` the next start writes nothing.
#[test]
fn no_zoo_cfg_is_there_without_its_users() {
    let dir = tempfile::tempdir().expect("a directory");
    let plan = Plan { jaas: Some("Server {};".to_owned()), ..Plan::default() };
    // What no file takes the place of.
    fs::create_dir(dir.path().join(JAAS)).expect("a directory");
    configure(&plan, dir.path()).expect_err("the users cannot be written");
    assert!(!dir.path().join("zoo.cfg").exists());
}
