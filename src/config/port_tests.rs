//! Which ports there are, for clients and operators, and which of them speak TLS.

use super::{
    tests::{check, parse, refused, warned},
    *,
};
use crate::tls::{ClientAuth, Password};

#[test]
fn operators_have_ports_of_their_own() {
    let admin = |lines: &str| parse(lines).expect("good settings").operator.admin;
    let default = admin("").expect("it is on");
    assert_eq!((default.address, default.port, &*default.command_url), (None, 8080, "/commands"));
    assert_eq!(
        (default.idle_timeout_ms, default.rate_interval_ms, default.tls),
        (Some(30_000), 300_000, None)
    );
    assert_eq!(admin("admin.enableServer=false"), None);
    let lines =
        "admin.serverAddress=127.0.0.1\nadmin.serverPort=9\nadmin.idleTimeout=-1\nadmin.commandURL=x/";
    let other = admin(lines).expect("it is on");
    assert_eq!((other.address.as_deref(), other.port), (Some("127.0.0.1"), 9));
    assert_eq!((other.idle_timeout_ms, &*other.command_url), (None, "/x"));
    let tls = |lines: &str| admin(lines).and_then(|admin| admin.tls).expect("TLS");
    let forced = tls("admin.forceHttps=true\nadmin.needClientAuth=true\nssl.quorum.keyStore.location=/k");
    assert!(!forced.takes_plain && forced.settings.client_auth == ClientAuth::Need);
    assert!(tls("admin.portUnification=true").takes_plain);

    let class = "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
    let exporter = |lines: &str| parse(lines).expect("good settings").operator.exporter;
    assert_eq!(exporter(""), None);
    let ports = |lines: &str| {
        let exporter = exporter(&format!("{class}\n{lines}")).expect("it is on");
        let port =
            |at: ExporterPort| (at.port, at.tls.map(|tls| (tls.takes_plain, tls.settings.client_auth)));
        (exporter.shows_process, exporter.ports.into_iter().map(port).collect::<Vec<_>>())
    };
    assert_eq!(ports(""), (true, vec![(7000, None)]));
    assert_eq!(
        ports("metricsProvider.httpPort=0\nmetricsProvider.exportJvmInfo=false"),
        (false, vec![(0, None)])
    );
    let with = |lines: &str| ports(&format!("metricsProvider.httpsPort=7001\n{lines}")).1;
    assert_eq!(with(""), [(7001, Some((false, ClientAuth::Need)))]);
    let wants = "metricsProvider.httpPort=7000\nmetricsProvider.ssl.trustStore.location=/t";
    assert_eq!(
        with(&format!("{wants}\nmetricsProvider.ssl.need.client.auth=false")),
        [(7000, None), (7001, Some((false, ClientAuth::Want)))]
    );
    let none = "metricsProvider.ssl.need.client.auth=false";
    assert_eq!(
        with(&format!("metricsProvider.httpPort=7001\n{none}")),
        [(7001, Some((true, ClientAuth::None)))]
    );
}

#[test]
fn tls_is_for_the_ports_that_ask_for_it() {
    let unused =
        "ssl.keyStore.location: no effect: neither secureClientPort nor client.portUnification asks for TLS";
    warned("ssl.keyStore.location=/k.pem", &format!("{unused} (zoo.cfg:3)"));
    refused(
        "secureClientPortAddress=::1",
        "zoo.cfg:3: secureClientPortAddress: set, but secureClientPort is not",
    );
    let text = "secureClientPort=2281\nsecureClientPortAddress=127.0.0.1\nssl.keyStore.location=/k.p12\n\
                ssl.keyStore.password=a b\nssl.trustStore.location=/t.jks\nssl.trustStore.passwordPath=/p\n\
                ssl.clientAuth=want\nssl.protocol=TLSv1.2\nclient.certReload=true";
    let tls = parse(text).expect("good settings").client.tls.expect("TLS");
    let secure = SecurePort { port: 2281, address: Some("127.0.0.1".to_owned()) };
    assert_eq!((tls.secure, tls.unified, tls.max_handshakes), (Some(secure), false, None));
    assert_eq!(tls.settings.protocols, ["TLSv1.2"]);
    assert_eq!((tls.settings.client_auth, tls.settings.reloads), (ClientAuth::Want, true));
    let key_store = tls.settings.key_store.expect("one");
    assert_eq!(
        (key_store.path.to_str(), key_store.password),
        (Some("/k.p12"), Password::Text("a b".to_owned()))
    );
    assert_eq!(tls.settings.trust_store.expect("one").password, Password::File("/p".into()));
}

#[test]
fn a_port_of_tls_may_be_the_only_one() {
    let alone = Config::parse("zoo.cfg", "dataDir=/d\nsecureClientPort=2281", &[]).expect("good settings");
    assert_eq!((alone.client.port, alone.client.tls.is_some()), (None, true));
    assert!(Config::parse("zoo.cfg", "dataDir=/d", &[]).is_err());
    // With both there is a scheme of certificates.
    assert!(alone.auth.x509.is_some() && parse("").expect("good settings").auth.x509.is_none());
    check("ssl.authProvider=mine", |config| config.auth.x509.is_none(), true);
    let lines = "ssl.authProvider=mine\nsecureClientPort=2281";
    refused(lines, "zoo.cfg:3: ssl.authProvider: bad value \"mine\"; allowed: x509");
}
