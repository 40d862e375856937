//! Rows about TLS. What asks for TLS towards clients is refused; stores, protocols and checks are warned about.

use super::{Status, When, accepted};
use crate::config::rules::*;

const REASON: &str = "TLS is not available in this version";

/// All TLS rows exist for the client port and for the quorum ports, named `ssl.` and `ssl.quorum.`.
macro_rules! twice {
    ($($name:literal, $build:expr, $default:literal, $since:literal, $meaning:literal;)*) => {
        accepted! {
            ABSENT, Status::Missing(When::Given);
            $(concat!("ssl.", $name), $build, $default, $since, $meaning;)*
            $(concat!("ssl.quorum.", $name), $build, $default, $since, $meaning;)*
            "ssl.authProvider", Text, "x509", "3.5.x", "scheme of client certificates";
            "ssl.sslProvider", lenient(one_of(&[("JDK", ()), ("OPENSSL", ()), ("OPENSSL_REFCNT", ())])), "JDK",
        "3.9.x",
                "TLS engine";
            "fips-mode", Switch, "true", "3.8.2", "leave host name checks to the runtime";
            "portUnification", Flag, "false", "3.5.x", "plain and TLS on the quorum ports";
            "sslQuorumReloadCertFiles", Flag, "false", "3.5.x",
        "reload quorum certificates when files change";
            "client.certReload", Switch, "false", "3.7.2", "reload client-port certificates when files change";
        }
    };
}

accepted! {
    REFUSED, Status::Refused(When::Given, REASON);
    "secureClientPort", decimal::<u16>(0, 65535), "unset", "3.5.x", "TLS port for clients";
    "secureClientPortAddress", Text, "all interfaces", "3.5.x", "address that secureClientPort is bound to";
}

accepted! {
    SWITCHES, Status::Refused(When::Is("true"), REASON);
    "client.portUnification", Switch, "false", "3.5.x", "plain and TLS on the client port";
}

accepted! {
    QUORUM, Status::Idle(When::Is("true"), "a standalone server has no quorum ports");
    "sslQuorum", Flag, "false", "3.5.x", "TLS on quorum and election ports";
}

twice! {
    "keyStore.location", Text, "unset", "3.5.x", "key store";
    "keyStore.password", Text, "", "3.5.x", "password of the key store";
    "keyStore.passwordPath", Text, "unset", "3.8.0", "file with the password of the key store";
    "keyStore.type", Text, "by extension", "3.5.x", "JKS, PEM, PKCS12 or BCFKS";
    "trustStore.location", Text, "unset", "3.5.x", "trust store";
    "trustStore.password", Text, "", "3.5.x", "password of the trust store";
    "trustStore.passwordPath", Text, "unset", "3.8.0", "file with the password of the trust store";
    "trustStore.type", Text, "by extension", "3.5.x", "JKS, PEM, PKCS12 or BCFKS";
    "protocol", Text, "TLSv1.3", "3.5.x", "TLS protocol";
    "enabledProtocols", Text, "value of protocol", "3.5.x", "protocols offered";
    "ciphersuites", Text, "by runtime", "3.5.x", "cipher suites";
    "context.supplier.class", Text, "unset", "3.6.x", "own TLS context";
    "hostnameVerification", Switch, "true", "3.5.x", "check host names in certificates";
    "clientHostnameVerification", Switch, "false", "3.9.4", "check the connecting side's too";
    "allowReverseDnsLookup", Switch, "false", "3.9.5", "fall back to reverse DNS in that check";
    "crl", Switch, "false", "3.5.x", "revocation lists";
    "ocsp", Switch, "false", "3.5.x", "OCSP";
    "clientAuth", lenient(one_of(&[("NONE", ()), ("WANT", ()), ("NEED", ())])), "NEED", "3.5.x", "client certificates";
    "handshakeDetectionTimeoutMillis", lenient(decimal::<u32>(0, INT_MAX)), "5000", "3.5.x",
        "ms to tell TLS from plain";
}
