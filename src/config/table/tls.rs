//! Rows about TLS: the ports, and stores, protocols and checks once for clients (`ssl.`) and once for members
//! (`ssl.quorum.`).

use super::{Key, Row, Spec, Status, When, accepted, keys};
use crate::{config::rules::*, tls::ClientAuth};

const CONTEXT: &str = "a class for the JVM cannot make the TLS context of this server";

keys! {
    SECURE_PORT: Int<u16> = "secureClientPort", decimal(0, 65535), "unset", "3.5.x", "TLS port for clients";
    SECURE_ADDRESS: Host = "secureClientPortAddress", Host, "all interfaces", "3.5.x",
        "address that secureClientPort is bound to";
    CLIENT_UNIFICATION: Switch = "client.portUnification", Switch, "false", "3.5.x",
        "plain and TLS on the client port";
    CERT_RELOAD: Switch = "client.certReload", Switch, "false", "3.7.2",
        "reload client-port certificates when files change";
    HANDSHAKES: Int<i32> = "netty.server.outstandingHandshake.limit", number(-INT_MAX, INT_MAX), "-1", "3.6.x",
        "TLS handshakes under way on the client ports; more are turned away, without an end if it is below 1";
    QUORUM_TLS: Flag = "sslQuorum", Flag, "false", "3.5.x", "TLS on quorum and election ports", ensemble;
    QUORUM_UNIFICATION: Flag = "portUnification", Flag, "false", "3.5.x", "plain and TLS on the quorum ports", ensemble;
    QUORUM_RELOAD: Flag = "sslQuorumReloadCertFiles", Flag, "false", "3.5.x",
        "reload quorum certificates when files change", ensemble;
    FIPS_MODE: Switch = "fips-mode", Switch, "true", "3.8.2",
        "names in members' certificates are not checked, and members do not log in with DIGEST-MD5", ensemble;
}

accepted! {
    CONTEXTS, Status::Refused(When::Given, CONTEXT);
    "ssl.context.supplier.class", Text, "unset", "3.6.x", "own TLS context";
    "ssl.quorum.context.supplier.class", Text, "unset", "3.6.x", "own TLS context";
}

accepted! {
    ENGINE, Status::Java;
    "ssl.sslProvider", lenient(one_of(&[("JDK", ()), ("OPENSSL", ()), ("OPENSSL_REFCNT", ())])), "JDK",
        "3.9.x", "TLS engine; there is one here";
}

/// The words of `clientAuth`. An empty one counts as not written.
const CLIENT_AUTH: &[(&str, ClientAuth)] =
    &[("NONE", ClientAuth::None), ("WANT", ClientAuth::Want), ("NEED", ClientAuth::Need)];

/// Declares the rows that exist on both sides: a field of [`Side`] each, and the list of them all.
macro_rules! sides {
    ($($field:ident: $rule:ty = $name:literal, $build:expr, $default:literal $(($quorum:literal))?, $since:literal,
       $meaning:literal;)*) => {
        /// The rows of one side.
        pub(in crate::config) struct Side {
            /// What they begin with.
            pub(in crate::config) prefix: &'static str,
            /// What is set so that certificates are not asked for.
            pub(in crate::config) unasked: &'static str,
            $(pub(in crate::config) $field: Key<$rule>,)*
        }

        /// Towards clients.
        pub(in crate::config) static CLIENT_SIDE: Side = Side {
            prefix: "ssl.",
            unasked: "ssl.clientAuth=none",
            $($field: Key {
                spec: Spec {
                    name: concat!("ssl.", $name),
                    aliases: &[],
                    default: $default,
                    since: $since,
                    status: Status::Used,
                    meaning: $meaning,
                },
                rule: $build,
            },)*
        };

        /// Between members.
        pub(in crate::config) static QUORUM_SIDE: Side = Side {
            prefix: "ssl.quorum.",
            unasked: "ssl.quorum.clientAuth=none",
            $($field: Key {
                spec: Spec {
                    name: concat!("ssl.quorum.", $name),
                    aliases: &[],
                    default: sides!(@default $default $($quorum)?),
                    since: $since,
                    status: Status::Ensemble,
                    meaning: $meaning,
                },
                rule: $build,
            },)*
        };

        /// The rows of both sides.
        pub(super) static SIDES: &[&dyn Row] = &[$(&CLIENT_SIDE.$field, &QUORUM_SIDE.$field,)*];
    };
    (@default $default:literal) => { $default };
    (@default $default:literal $quorum:literal) => { $quorum };
}

sides! {
    key_store: Text = "keyStore.location", Text, "unset", "3.5.x", "file of the server's key and certificates";
    key_store_password: Text = "keyStore.password", Text, "", "3.5.x", "password of the key store";
    key_store_password_path: Text = "keyStore.passwordPath", Text, "unset", "3.8.0",
        "file with the password of the key store; wins over the password";
    key_store_type: Text = "keyStore.type", Text, "by extension", "3.5.x", "JKS, PEM or PKCS12";
    trust_store: Text = "trustStore.location", Text, "unset", "3.5.x", "file of the certificates that vouch for others";
    trust_store_password: Text = "trustStore.password", Text, "", "3.5.x", "password of the trust store";
    trust_store_password_path: Text = "trustStore.passwordPath", Text, "unset", "3.8.0",
        "file with the password of the trust store; wins over the password";
    trust_store_type: Text = "trustStore.type", Text, "by extension", "3.5.x", "JKS, PEM or PKCS12";
    protocol: Text = "protocol", Text, "TLSv1.3 and TLSv1.2", "3.5.x", "the one TLS version that is spoken";
    protocols: List = "enabledProtocols", List, "value of protocol", "3.5.x", "TLS versions that are spoken";
    suites: List = "ciphersuites", List, "all that are safe", "3.5.x", "cipher suites, by their names in Java";
    server_names: Switch = "hostnameVerification", Switch, "true", "3.5.x",
        "names in the certificate of the side that is connected to are checked; this server connects to members only";
    client_names: Switch = "clientHostnameVerification", Switch, "false" ("true"), "3.9.4",
        "names in the certificate of the connecting side are checked, too";
    reverse_lookup: Switch = "allowReverseDnsLookup", Switch, "false" ("true"), "3.9.5",
        "that check also takes the name that the system has for the address";
    client_auth: Lenient<OneOf<ClientAuth>> = "clientAuth", lenient(one_of(CLIENT_AUTH)), "NEED", "3.5.x",
        "whether the connecting side must show a certificate";
    lists: Switch = "crl", Switch, "false", "3.5.x",
        "certificates are looked up in the lists that they name, and who cannot be looked up is not let in";
    responders: Switch = "ocsp", Switch, "false", "3.5.x",
        "responders that certificates name are asked about them, and lists looked at where those say nothing";
    detection_timeout: Lenient<Int<u32>> = "handshakeDetectionTimeoutMillis", lenient(decimal(0, INT_MAX)), "5000",
        "3.5.x", "ms to tell TLS from plain, and for the handshake on the quorum ports";
}
