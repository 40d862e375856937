//! Rows about who may do what: the schemes, logins, Kerberos.

use super::{Status, When, accepted, keys};
use crate::auth::DigestAlgorithm;
use crate::config::rules::*;

keys! {
    SKIP_ACL: Lenient<OneOf<bool>> = "skipACL", lenient(exactly(&[("yes", true), ("no", false)])), "no", "<=3.4",
        "check no ACLs at all";
    EAGER_ACL_CHECK: Switch = "enableEagerACLCheck", Switch, "false", "3.6.x",
        "check ACLs on the server that receives the request",
        idle "a standalone server checks them once, in any case";
    DIGEST_SCHEME: Switch = "DigestAuthenticationProvider.enabled", Switch, "true", "3.7.x", "the digest scheme";
    SUPER_DIGEST: Text = "DigestAuthenticationProvider.superDigest", Text, "unset", "3.2",
        "super:base64; digest of the user who may do everything";
    // With another one nobody would pass the ACLs that there are.
    DIGEST_ALGORITHM: OneOf<DigestAlgorithm> = "DigestAuthenticationProvider.digestAlg",
        one_of(DigestAlgorithm::NAMES), "SHA1", "3.7.x", "hash of user:password in the digest scheme";
    FORWARDED_FOR: Switch = "IPAuthenticationProvider.usexforwardedfor", Switch, "false", "3.9.3",
        "the admin server takes the client's address from X-Forwarded-For";
    ENFORCE_AUTH: Flag = "enforce.auth.enabled", Flag, "false", "3.7.x",
        "serve only connections that passed one of enforce.auth.schemes";
    ENFORCE_AUTH_SCHEMES: List = "enforce.auth.schemes", List, "unset", "3.7.x",
        "schemes that enforcing accepts: digest, ip, sasl, x509";
    ENSEMBLE_NAMES: List = "ensembleAuthName", List, "unset", "3.6.x",
        "names that the ensemble scheme accepts, parted by commas";
    // Who believes to have switched it on must not be served without it.
    REQUIRE_SASL: Flag = "sessionRequireClientSASLAuth", Flag, "false", "3.5.x",
        "serve only clients that passed SASL";
    JAAS_FILE: Text = "java.security.auth.login.config", Text, "unset", "<=3.4", "JAAS file";
    SASL_SECTION: Text = "sasl.serverconfig", Text, "Server", "<=3.4", "JAAS section of the server";
    SASL_SUPER_PASSWORD: Text = "SASLAuthenticationProvider.superPassword", Text, "unset", "<=3.4",
        "DIGEST-MD5 password of the user super, in place of that in the JAAS file";
    SASL_SUPER_USER: Text = "superUser", Text, "unset", "<=3.4", "SASL id that may do everything";
    SASL_SUPER_USERS: Text = "superUser.*", Text, "unset", "<=3.4", "further such SASL ids";
    ANY_SASL_USER: Text = "letAnySaslUserDoX", Text, "unset", "3.5.x", "ACL id that every SASL user matches";
    ALLOW_FAILED_SASL: Switch = "allowSaslFailedClients", Switch, "false", "<=3.4",
        "keep connections that failed SASL";
    REMOVE_HOST: Switch = "kerberos.removeHostFromPrincipal", Switch, "false", "<=3.4",
        "drop the host of a principal";
    REMOVE_REALM: Switch = "kerberos.removeRealmFromPrincipal", Switch, "false", "<=3.4",
        "drop the realm of a principal";
    AUTH_TO_LOCAL: Text = "security.auth_to_local", Text, "DEFAULT", "<=3.4",
        "rules that map principals to names";
    QUORUM_SASL: Flag = "quorum.auth.enableSasl", Flag, "false", "<=3.4", "SASL between servers", ensemble;
    LEARNER_SASL: Flag = "quorum.auth.learnerRequireSasl", Flag, "false", "<=3.4",
        "outgoing connections must pass it", ensemble;
    SERVER_SASL: Flag = "quorum.auth.serverRequireSasl", Flag, "false", "<=3.4",
        "incoming connections must pass it", ensemble;
    LEARNER_SECTION: Text = "quorum.auth.learner.saslLoginContext", Text, "QuorumLearner", "<=3.4",
        "JAAS section for outgoing ones", ensemble;
    SERVER_SECTION: Text = "quorum.auth.server.saslLoginContext", Text, "QuorumServer", "<=3.4",
        "JAAS section for incoming ones", ensemble;
    KRB5_CONF: Text = "java.security.krb5.conf", Text, "unset", "<=3.4",
        "file that is read in place of /etc/krb5.conf";
    REQUIRE_KERBEROS: Flag = "requireKerberosConfig", Flag, "false", "<=3.4",
        "do not start without a default realm of Kerberos";
    SERVER_REALM: Text = "server.realm", Text, "unset", "<=3.4",
        "realm of the other members, if it is not that of this one's principal", ensemble;
    CANONICAL_HOSTS: Switch = "kerberos.canonicalizeHostNames", Switch, "false", "3.7.x",
        "hosts in principals of members are what the resolver calls them", ensemble;
    SERVICE_PRINCIPAL: Text = "quorum.auth.kerberos.servicePrincipal", Text, "zkquorum/localhost", "<=3.4",
        "principal of the other members, _HOST for their hosts", ensemble;
    X509_SUPER_USER: Text = "X509AuthenticationProvider.superUser", Text, "unset", "3.5.x",
        "certificate subject, as RFC 2253 writes it, that may do everything";
    SSL_AUTH_PROVIDER: Text = "ssl.authProvider", Text, "x509", "3.5.x",
        "scheme of client certificates, which is looked at where a port for clients has TLS: x509 alone";
    AUTH_PROVIDER: Text = "authProvider.*", Text, "unset", "<=3.4",
        "class of an authentication provider: the official ones for digest, ip, sasl, x509, ensemble and key";
}

accepted! {
    IDLE, Status::Idle(When::Given, "tickets are asked for when they are needed, and those in a cache are renewed by whoever keeps it");
    "kerberos.minReLoginTimeMs", number::<u64>(0, i64::MAX), "60000", "3.5.x", "ms between logins";
    "kinit", Text, "/usr/bin/kinit", "<=3.4", "command that renews tickets";
}

accepted! {
    ENSEMBLE, Status::Ensemble;
    "quorum.cnxn.threads.size", decimal::<i32>(INT_MIN, INT_MAX), "20", "<=3.4",
        "threads of that authentication";
}
