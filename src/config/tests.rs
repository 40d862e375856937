//! The whole way from text to [`Config`], case by case.

use super::*;

const BASE: &str = "dataDir=/d\nclientPort=2181\n";

pub(super) fn parse(text: &str) -> Result<Config, Refusal> {
    Config::parse("zoo.cfg", &format!("{BASE}{text}"), &[])
}

/// What `read` finds in the configuration of `text`, which must be taken without a warning.
#[track_caller]
pub(super) fn check<T: PartialEq + std::fmt::Debug>(text: &str, read: impl Fn(&Config) -> T, expected: T) {
    let config = parse(text).expect(text);
    assert_eq!(config.warnings, [], "for {text:?}");
    assert_eq!(read(&config), expected, "for {text:?}");
}

/// The text is refused, with this message.
#[track_caller]
pub(super) fn refused(text: &str, message: &str) {
    let error = parse(text).expect_err(text).to_string();
    assert_eq!(error, message, "for {text:?}");
}

/// The text is taken with exactly this warning.
#[track_caller]
pub(super) fn warned(text: &str, message: &str) -> Config {
    let config = parse(text).expect(text);
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [message], "for {text:?}");
    config
}

fn pairs(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn every_listed_key_is_known() {
    let unknown: Vec<&str> =
        include_str!("keys.txt").lines().filter(|key| table::find(key).is_none()).collect();
    assert_eq!(unknown, [""; 0]);
    let unknown =
        include_str!("keys.txt").lines().filter(|key| table::find(&format!("zookeeper.{key}")).is_none());
    assert_eq!(unknown.filter(|key| !key.starts_with("zookeeper.")).count(), 0);
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> =
        table::rows().flat_map(|r| [&[r.spec().name], r.spec().aliases].concat()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn defaults_are_values_or_words() {
    let words = ["unset", "required", "by ", "cores", "value of", "a third", "dataDir", "jute.maxbuffer"];
    for row in table::rows() {
        let default = row.spec().default;
        let good = row.takes(default) || words.iter().any(|word| default.starts_with(word));
        assert!(good || default == "required there", "{} = {default}", row.spec().name);
    }
}

#[test]
fn the_listing_has_every_key() {
    let listing = Config::describe(&[]).expect("all of them");
    for row in table::rows() {
        assert!(listing.contains(&format!("  {}", row.spec().name)), "{}", row.spec().name);
    }
    assert!(
        listing.contains("takes: a whole number from 0 to 65535; anything else is refused (since <=3.4)")
    );
}

#[test]
fn defaults() {
    let config = parse("").expect("the least file");
    assert_eq!(config.client.max_connections_per_address, Some(60));
    assert_eq!(config.session, Session { tick_time_ms: 3000, min_timeout_ms: 6000, max_timeout_ms: 60_000 });
    assert_eq!(config.storage.data_log_dir, Path::new("/d"));
    assert_eq!(config.storage.pre_alloc_size_bytes, Some(64 << 20));
    assert_eq!(config.storage.snap_size_limit_bytes, Some(4 << 30));
    assert_eq!(config.storage.purge_interval_ms, None);
    assert!(config.storage.force_sync);
    assert_eq!((config.limits.max_packet_bytes, config.limits.max_packet_extra_bytes), (0xfffff, 0xfffff));
    assert_eq!(config.batching, Batching { flush_delay_ms: 0, max_poll_ms: 0, max_batch_size: Some(1000) });
    assert_eq!(config.auth.digest_algorithm, crate::auth::DigestAlgorithm::Sha1);
    assert_eq!(config.auth.enforced_schemes, None);
    assert_eq!(config.operator.four_letter_words, FourLetterWords::LEAST);
    assert_eq!(config.warnings, []);
}

#[test]
fn client_port() {
    check("", |c| c.client.port, Some(2181));
    check("clientPortAddress=10.0.0.1", |c| c.client.address.clone(), Some("10.0.0.1".to_owned()));
    check("clientPortAddress=0.0.0.0", |c| c.client.address.clone(), None);
    check("clientPortAddress=[::]", |c| c.client.address.clone(), None);
    let config = warned(
        "clientPortAddress=",
        "clientPortAddress: it is empty, which means this machine alone (the loopback interface), as officially \
         (zoo.cfg:3)",
    );
    assert_eq!(config.client.address.as_deref(), Some(""));
    check("clientPortListenBacklog=-1", |c| c.client.listen_backlog, None);
    check("maxClientCnxns=0", |c| c.client.max_connections_per_address, None);
    check("nio.numWorkerThreads=3", |c| c.client.io_workers, Some(3));
    let bad = "bad value \"65536\"; allowed: a whole number from 0 to 65535";
    refused("\nclientPort : 65536", &format!("zoo.cfg:4: clientPort: {bad}"));
}

#[test]
fn session_limits() {
    let limits = |c: &Config| (c.session.min_timeout_ms, c.session.max_timeout_ms);
    check("tickTime=2000", limits, (4000, 40_000));
    check("tickTime=2000\nminSessionTimeout=0\nmaxSessionTimeout=100", limits, (0, 100));
    check("tickTime=2000000000", limits, (i32::MAX.unsigned_abs(), i32::MAX.unsigned_abs()));
    refused(
        "tickTime=0",
        "zoo.cfg:3: tickTime: bad value \"0\"; allowed: a whole number from 1 to 2147483647",
    );
    let problem = "minSessionTimeout (6000 ms) is above maxSessionTimeout (5000 ms)";
    refused("maxSessionTimeout=5000", &format!("zoo.cfg:3: maxSessionTimeout: {problem}"));
}

#[test]
fn storage_settings() {
    check("dataLogDir=/l", |c| c.storage.data_log_dir.clone(), "/l".into());
    check("preAllocSize=-1", |c| c.storage.pre_alloc_size_bytes, None);
    check("preAllocSize=1", |c| c.storage.pre_alloc_size_bytes, Some(1024));
    check("snapshotSizeFactor=-1", |c| c.storage.snapshot_size_factor, None);
    check("autopurge.purgeInterval=24", |c| c.storage.purge_interval_ms, Some(86_400_000));
    check("autopurge.purgeInterval=5m", |c| c.storage.purge_interval_ms, Some(300_000));
    check("snapshot.compression.method=GZ", |c| c.storage.snapshot_compression, SnapshotCompression::Gzip);
    check("snapshot.compression.method=", |c| c.storage.snapshot_compression, SnapshotCompression::None);
    check("forceSync=no", |c| c.storage.force_sync, false);
    check("fsync.warningthresholdms=20", |c| c.storage.fsync_warning_threshold_ms, 20);
    check("zookeeper.testingonly.initialZxid=4294967280", |c| c.storage.initial_zxid, Some(4_294_967_280));
    let method = "snapshot.compression.method";
    let counts = "\"zip\" is no value of it: \"\" (none), gz, snappy; the default counts (none)";
    warned(&format!("{method}=zip"), &format!("{method}: {counts} (zoo.cfg:3)"));
}

#[test]
fn low_values_are_raised() {
    let config = warned("snapCount=1", "snapCount: 1 is too low, 2 is used (zoo.cfg:3)");
    assert_eq!(config.storage.snap_count, 2);
    let message = "autopurge.snapRetainCount: 1 is too low, 3 is used (zoo.cfg:3)";
    assert_eq!(warned("autopurge.snapRetainCount=1", message).storage.purge_retain_count, 3);
    let config = warned("commitLogCount=5", "commitLogCount: 5 is too low, 500 is used (zoo.cfg:3)");
    assert_eq!(config.storage.commit_log_count, 500);
}

#[test]
fn both_names_and_the_prefix() {
    for key in
        ["requestThrottleLimit", "request_throttle_max_requests", "zookeeper.request_throttle_max_requests"]
    {
        check(&format!("{key}=5"), |c| c.throttle.max_requests, Some(5));
    }
    check("jute.maxbuffer=0x400000", |c| c.limits.max_packet_bytes, 4 << 20);
    check("jute.maxbuffer=100", |c| c.limits.max_packet_extra_bytes, 1024);
    check("znode.container.maxPerMinute=7", |c| c.containers.max_per_minute, 7);
    check("flushDelay=9", |c| c.batching.max_poll_ms, 3);
}

#[test]
fn connection_throttle_weights() {
    let bucket = |c: &Config| (c.connection_throttle.tokens, c.connection_throttle.fill_count);
    check("connectionMaxTokens=100", bucket, (Some(100), 1));
    check("connectionMaxTokens=100\nconnection_throttle_weight_enabled=true", bucket, (Some(300), 3));
    let text = "connection_throttle_weight_enabled=true\nconnection_throttle_local_session_weight=9";
    let weights = ConnectionWeights { global_session: 9, local_session: 9, renewed_session: 9 };
    check(text, |c| c.connection_throttle.weights, Some(weights));
}

#[test]
fn four_letter_words() {
    let has = |c: &Config| {
        [FourLetterWord::Srvr, FourLetterWord::Ruok, FourLetterWord::Isro]
            .map(|word| c.operator.four_letter_words.contains(word))
    };
    check("4lw.commands.whitelist=", has, [true, false, false]);
    check("4lw.commands.whitelist= ruok , mntr", has, [true, true, false]);
    check("4lw.commands.whitelist=*", has, [true, true, true]);
    check("readonlymode.enabled=true", has, [true, false, true]);
    let message = "4lw.commands.whitelist: unknown four-letter word nope, ignored (zoo.cfg:3)";
    assert_eq!(has(&warned("4lw.commands.whitelist=nope,ruok", message)), [true, true, false]);
}

#[test]
fn authentication() {
    check("skipACL=yes", |c| c.auth.skip_acl, true);
    check(
        "DigestAuthenticationProvider.digestAlg=sha-256",
        |c| c.auth.digest_algorithm,
        crate::auth::DigestAlgorithm::Sha256,
    );
    check(
        "DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=",
        |c| c.auth.super_digest.clone(),
        Some("super:xQJmxLMiHGwaqBvst5y6rkB6HQs=".to_owned()),
    );
    let enforce = "enforce.auth.enabled=true\nenforce.auth.schemes=";
    let schemes = vec![EnforcedScheme::Digest, EnforcedScheme::Ip];
    check(&format!("{enforce}digest, ip"), |c| c.auth.enforced_schemes.clone(), Some(schemes));
    check("requireKerberosConfig=true", |c| c.auth.kerberos.is_required, true);
    check("java.security.krb5.conf=/k", |c| c.auth.kerberos.config.clone(), Some("/k".into()));
    check("enforce.auth.schemes=sasl", |c| c.auth.enforced_schemes.clone(), None);
    let provider = "authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
    let unavailable = format!("the scheme sasl is not available: set {provider}");
    refused(&format!("{enforce}sasl"), &format!("zoo.cfg:4: enforce.auth.schemes: {unavailable}"));
    for lines in [format!("{enforce}sasl"), "sessionRequireClientSASLAuth=true".to_owned()] {
        let sasl = Some(vec![EnforcedScheme::Sasl]);
        check(&format!("{provider}\n{lines}"), |c| c.auth.enforced_schemes.clone(), sasl);
    }
    let needed = "enforcing needs enforce.auth.schemes: digest, ip, sasl, x509";
    refused("enforce.auth.enabled=true", &format!("zoo.cfg:3: enforce.auth.enabled: {needed}"));
    refused(enforce, &format!("zoo.cfg:4: enforce.auth.schemes: {needed}"));
    assert!(parse(&format!("{enforce}digest\nDigestAuthenticationProvider.enabled=false")).is_err());
}

#[test]
fn providers() {
    let package = "org.apache.zookeeper.server.auth.";
    check(&format!("authProvider.1={package}DigestAuthenticationProvider"), |_| (), ());
    check(&format!("authProvider.1={package}KeyAuthenticationProvider"), |c| c.auth.key_provider, true);
    check(
        "ensembleAuthName= foo,bar",
        |c| c.auth.ensemble_names.clone(),
        Some(vec!["foo".into(), "bar".into()]),
    );
    check(&format!("authProvider.1={package}SASLAuthenticationProvider"), |c| c.auth.sasl.provider, true);
    let class = format!("{package}X509ZNodeGroupAclProvider");
    let message = "not supported yet: it is not available in this version";
    refused(&format!("authProvider.x={class}"), &format!("zoo.cfg:3: authProvider.x={class}: {message}"));
    let unknown = parse("authProvider.x=com.example.Mine").expect("served without it");
    assert!(
        unknown.warnings[0].to_string().contains("its scheme is not available"),
        "{:?}",
        unknown.warnings
    );
}

#[test]
fn what_is_not_there_is_refused_or_told() {
    let key = "jvm.pause.monitor";
    let config = parse(&format!("{key}=true")).expect(key);
    let warning = config.warnings.first().expect(key).to_string();
    assert!(warning.starts_with(&format!("{key}: not available in this version: ")), "{warning}");
    check(&format!("{key}=false"), |_| (), ());
}

#[test]
fn what_was_written_is_told_without_passwords() {
    let config =
        parse("ssl.keyStore.password=x\nzookeeper.snapCount=5\nauthProvider.1=y").expect("good settings");
    let told = config.operator.written.properties;
    let value = |key: &str| told.get(&format!("zookeeper.{key}")).map(String::as_str);
    assert_eq!(value("ssl.keyStore.password"), Some("********"));
    assert_eq!((value("snapCount"), value("authProvider.1")), (Some("5"), Some("y")));
    assert_eq!(value("tickTime"), None);
}

#[test]
fn what_has_no_effect_says_so_and_why() {
    for (line, message) in [
        (
            "maxResponseCacheSize=1",
            "maxResponseCacheSize: no effect: replies are encoded straight from the tree",
        ),
        ("admin.httpVersion=20", "admin.httpVersion: no effect: it speaks HTTP/1.1, and takes HTTP/1.0"),
        (
            "metricsProvider.foo=1",
            "metricsProvider.foo: not available in this version: further settings of the exporter",
        ),
        (
            "watchManagerName=x.Y",
            "watchManagerName: no effect, it concerns the Java server: class of the watch table; there is one here",
        ),
        (
            "jmx.log4j.disable=true",
            "jmx.log4j.disable: no effect, it concerns the Java server: no beans of the logging library",
        ),
    ] {
        warned(line, &format!("{message} (zoo.cfg:3)"));
    }
    let listing = Config::describe(&[]).expect("all of them");
    for (note, keys) in [
        (" [ensembles only]", &["testingonly.initialZxid", "commitLogCount", "snapshotSizeFactor"][..]),
        (
            " [accepted, no effect: ",
            &[
                "enableEagerACLCheck",
                "maxResponseCacheSize",
                "intBufferStartingSizeBytes",
                "jute.maxbuffer.extrasize",
            ],
        ),
    ] {
        for key in keys {
            let (_, row) = listing.split_once(&format!("\n  {key} = ")).expect(key);
            let text = row.lines().nth(1).expect("what it means");
            assert!(text.contains(note), "{key}: {text}");
        }
    }
}

/// Every row does something, is refused, is one of an ensemble's, or says that it has no effect.
#[test]
fn nothing_is_ignored_in_silence() {
    // One of these asks for whatever a row has to offer.
    let class = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
    let values = ["true", "1", "3000", "JDK", "NEED", class];
    for row in table::rows() {
        let name = row.spec().name.replace('*', "x");
        if matches!(row.spec().status, table::Status::Used | table::Status::Ensemble) {
            continue;
        }
        let value = values.into_iter().find(|value| row.takes(value)).expect(&name);
        let told = match parse(&format!("{name}={value}")) {
            Ok(config) => config.warnings.iter().any(|warning| warning.key == name),
            Err(_) => matches!(row.spec().status, table::Status::Refused(..)),
        };
        assert!(told, "{name}={value}: {:?}", row.spec().status);
    }
}

#[test]
fn what_matters_to_ensembles_alone_is_checked_and_taken() {
    let text = "initLimit=10\nsyncLimit=5\nelectionAlg=3\npeerType=Observer\nreconfigEnabled=true\n\
                quorum.auth.enableSasl=true";
    check(text, |_| (), ());
    for line in ["dataDir=", "dataLogDir=", "dynamicConfigFile="] {
        parse(line).expect_err(line);
    }
    refused("electionAlg=0", "zoo.cfg:3: electionAlg: bad value \"0\"; allowed: 3");
    assert!(parse("initLimit=ten").is_err());
    assert!(parse("reconfigEnabled=on").is_err());
}

#[test]
fn one_server_line_is_standalone() {
    let told = "server.1: only one server is listed: running standalone (zoo.cfg:3)";
    for line in [
        "h:2888:3888",
        "h:2888:3888;",
        "h:2888:3888:participant;2181",
        "[::1]:2888:3888;[::]:2181",
        "a:1:2|b:3:4",
    ] {
        warned(&format!("server.1={line}"), told);
    }
    for line in [
        "",
        "h",
        "h:1",
        "h:1:1",
        "h:1:2:leader",
        "h:1:2;x",
        "h:1:2;1;2",
        "h:1:2;;1",
        ":1:2",
        "a:1:2:observer|b:1:2:participant",
    ] {
        let refusal = parse(&format!("server.1={line}")).expect_err(line);
        assert!(matches!(*refusal.errors, [ConfigError::BadValue { .. }]), "{line}: {refusal}");
    }
    refused("server.x=h:1:2", "zoo.cfg:3: server.x: the name must be server.N with a number N");
}

#[test]
fn observers_alone_are_no_ensemble() {
    refused("server.1=a:1:2:observer", "zoo.cfg:3: server.1: observers without a participant");
    let beside = "zoo.cfg:4: server.2: observers beside a single participant";
    refused("server.1=a:1:2\nserver.2=b:1:2:observer", beside);
    assert!(parse("group.1=1:x").is_err());
    check("group.1=1:2\nweight.1=3", |_| (), ());
}

#[test]
fn required_settings() {
    let error = |text| Config::parse("f", text, &[]).expect_err(text).to_string();
    assert_eq!(error("clientPort=1"), "f: dataDir is not set: the folder of snapshots and transaction logs");
    assert!(error("dataDir=/d").starts_with("f: clientPort is not set: "));
    let message = "f:2: clientPortAddress: set, but clientPort is not";
    assert_eq!(error("dataDir=/d\nclientPortAddress=127.0.0.1"), message);
    assert_eq!(error("a=\\u12"), "f:1: \\u must be followed by four hexadecimal digits");
}

#[test]
fn all_that_is_wrong_is_named_with_what_may_explain_it() {
    let refusal =
        Config::parse("f", "clientport=1\ndatadir=/d\ntickTime=abc\nsnapCount=ten\nserver.x=a:1:2", &[]);
    let refusal = refusal.expect_err("nothing of it is right");
    let errors: Vec<String> = refusal.errors.iter().map(ToString::to_string).collect();
    let missing = ["f: clientPort is not set: ", "f: dataDir is not set: "];
    let instead = ["; is clientport meant for it (f:1)?", "; is datadir meant for it (f:2)?"];
    assert!(errors[0].starts_with("f:3: tickTime: bad value \"abc\""), "{errors:?}");
    assert!(errors[1].starts_with("f:5: server.x: "), "{errors:?}");
    for (error, (start, end)) in errors[2..].iter().zip(missing.into_iter().zip(instead)) {
        assert!(error.starts_with(start) && error.ends_with(end), "{errors:?}");
    }
    assert_eq!(errors.len(), 4, "{errors:?}");
    let warnings: Vec<String> = refusal.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(warnings[1], "datadir: unknown key, ignored: did you mean dataDir? (f:2)");
}

#[test]
fn what_follows_from_a_bad_value_is_not_named() {
    let only = |text: &str, key: &str| {
        let refusal = Config::parse("f", text, &[]).expect_err(text);
        assert_eq!(refusal.errors.len(), 1, "{refusal}");
        assert_eq!(refusal.errors[0].key(), Some(key), "{refusal}");
    };
    only("dataDir=/d\nclientPort=x\nclientPortAddress=127.0.0.1", "clientPort");
    only("dataDir=/d\nclientPort=1\ntickTime=x\nminSessionTimeout=100000", "tickTime");
    only("clientPort=1", "dataDir");
}

/// Lines of published files. The official server takes them; what it makes of them counts here, too.
#[test]
fn values_that_the_official_server_passes_over() {
    for (line, counts) in [
        ("preAllocSize=64M", "the default counts (65536)"),
        ("snapCount=100,000", "the default counts (100000)"),
        ("snapCount=", "nothing is no value of it: "),
        ("forceSync=false", "yes, no; the default counts (yes)"),
        ("skipACL=true", "yes, no; the default counts (no)"),
        ("digest.enabled=on", "counts as false"),
        ("leaderServes=true", "yes, no; the default counts (yes)"),
        ("ssl.quorum.clientAuth=", "NONE, WANT, NEED; the default counts (NEED)"),
        ("admin.serverPort=eighty", "the default counts (8080)"),
        ("watcherCleanThreshold=many", "no effect, it concerns the Java server"),
        ("minSessionTimeout=-5", "-5 is too low, 0 is used"),
    ] {
        let config = parse(line).expect(line);
        let [warning] = config.warnings.as_slice() else { panic!("{line}: {:?}", config.warnings) };
        assert!(warning.message.contains(counts), "{line}: {warning}");
    }
    let config = parse("snapCount=5\nsnapCount=many").expect("the default counts");
    assert_eq!(config.storage.snap_count, 100_000);
    assert_eq!(config.warnings[1].to_string(), "snapCount: does not count, because of zoo.cfg:4 (zoo.cfg:3)");
}

/// What would change data, or who may do what, is not passed over.
#[test]
fn values_that_are_refused_though_the_official_server_starts() {
    for line in [
        "enforce.auth.enabled=yes",
        "sessionRequireClientSASLAuth=1",
        "requireKerberosConfig=yes",
        "extendedTypesEnabled=yes",
        "emulate353TTLNodes=1",
        "DigestAuthenticationProvider.digestAlg=rot13",
    ] {
        parse(line).expect_err(line);
    }
}

#[test]
fn settings_by_name() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let text = Config::describe(&names(&["zookeeper.snapCount", "server.7"])).expect("both are there");
    assert!(text.starts_with("  snapCount = 100000\n") && text.contains("\n  server.* = "), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
    let unknown = Config::describe(&names(&["snapcount"])).expect_err("the case is wrong");
    assert_eq!(unknown, "no setting is called snapcount; did you mean snapCount?");
}

#[test]
fn remarks() {
    warned("colour=blue", "colour: unknown key, ignored (zoo.cfg:3)");
    warned("dataLogDir=logs", "dataLogDir: relative path; write ./ in front if it is meant (zoo.cfg:3)");
    check("dataLogDir=./logs", |_| (), ());
    assert!(
        parse("dataLogDir=~/zk").expect("as officially").warnings[0].message.contains("no home directory")
    );
    let config = warned(
        "tickTime=5\ntickTime=6",
        "tickTime: another value is used instead, because of zoo.cfg:4 (zoo.cfg:3)",
    );
    assert_eq!(config.session.tick_time_ms, 6);
}

#[test]
fn the_command_line_wins() {
    let overrides = pairs("zookeeper.snapCount=9\njute.maxbuffer=50\nzookeeper.snapCount=8");
    let config = Config::parse("f", &format!("{BASE}snapCount=10\n"), &overrides).expect("good settings");
    assert_eq!((config.storage.snap_count, config.limits.max_packet_bytes), (8, 50));
    let warning = config.warnings[0].to_string();
    assert_eq!(warning, "snapCount: another value is used instead, because of command line (f:3)");
    let error = Config::parse("f", BASE, &pairs("zookeeper.tickTime=x")).expect_err("no number").to_string();
    assert!(error.starts_with("command line: zookeeper.tickTime: bad value \"x\""), "{error}");
}

#[test]
fn servers_without_a_file() {
    let config = Config::default_server(&[]).expect("defaults");
    assert_eq!((config.client.port, config.storage.data_dir.as_path()), (Some(2181), Path::new("./data")));
    assert_eq!(config.client.max_connections_per_address, Some(60));
    assert!(config.storage.create_dirs);
    assert_eq!(Config::default_server(&pairs("clientPort=99")).expect("defaults").client.port, Some(99));
    let arguments = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let config = Config::from_arguments(&arguments("2182 /d"), &[]).expect("good arguments");
    assert_eq!((config.client.port, config.client.max_connections_per_address), (Some(2182), None));
    let config = Config::from_arguments(&arguments("2182 /d 2000 5"), &[]).expect("good arguments");
    assert_eq!((config.session.tick_time_ms, config.client.max_connections_per_address), (2000, Some(5)));
    assert_eq!(config.warnings, []);
    let error = Config::from_arguments(&arguments("x /d"), &[]).expect_err("no port").to_string();
    assert_eq!(error, "command line: clientPort: bad value \"x\"; allowed: a whole number from 0 to 65535");
}

#[test]
fn no_password_is_shown() {
    let text = "secureClientPort=1\nssl.keyStore.location=/k.pem\nssl.keyStore.password=hidden";
    let config = parse(text).expect("good settings");
    assert!(!format!("{config:?}").contains("hidden"));
}
