//! Rows about what operators look at: admin server, metrics exporter, audit log, pause monitor.

use super::{Status, When, accepted, keys};
use crate::config::rules::*;

const PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
/// The value is whether figures are exported.
const PROVIDERS: &[(&str, bool)] = &[
    ("org.apache.zookeeper.metrics.impl.DefaultMetricsProvider", false),
    ("org.apache.zookeeper.metrics.impl.NullMetricsProvider", false),
    (PROMETHEUS, true),
];
const YES_OR_NO: &[(&str, bool)] = &[("true", true), ("false", false)];

keys! {
    AUDIT: Switch = "audit.enable", Switch, "false", "3.6.x", "audit log: who has changed what";
    AUDIT_FILE: Text = "audit.file", Text, "unset", "oxkeeper",
        "file of the audit log, begun anew at SIGHUP; unset: with all other lines, target oxkeeper::audit";
    AUDIT_JSON: Switch = "audit.json", Switch, "false", "oxkeeper", "lines of the audit log as JSON objects";
    AUDIT_CLASS: Text = "audit.impl.class", Text, "Slf4jAuditLogger", "3.6.x", "where the audit log goes",
        idle "a class for the JVM: see audit.file";
    SLOW_REQUEST: Off<u32> = "slowRequestThresholdMs", off(number(1, INT_MAX), "never"), "0", "oxkeeper",
        "ms from reading a request to its reply, above which the log tells of it";
    ADMIN: Lenient<OneOf<bool>> = "admin.enableServer", lenient(exactly(YES_OR_NO)), "true", "3.5.x", "HTTP admin server";
    ADMIN_ADDRESS: Text = "admin.serverAddress", Text, "0.0.0.0", "3.5.x", "address of the admin server";
    ADMIN_PORT: Lenient<Int<u16>> = "admin.serverPort", lenient(number(0, 65535)), "8080", "3.5.x", "port of the admin server; 0: any free one";
    ADMIN_IDLE: Lenient<Int<i32>> = "admin.idleTimeout", lenient(number(-INT_MAX, INT_MAX)), "30000", "3.5.x",
        "ms a connection to the admin server may be idle; 0 or less: without an end";
    ADMIN_URL: Text = "admin.commandURL", Text, "/commands", "3.5.x", "root of the admin server's commands";
    ADMIN_HTTP: Lenient<Int<u32>> = "admin.httpVersion", lenient(number(0, INT_MAX)), "11", "3.6.x",
        "protocol version of the admin server",
        idle "it speaks HTTP/1.1, and takes HTTP/1.0";
    ADMIN_UNIFICATION: Switch = "admin.portUnification", Switch, "false", "3.6.x",
        "HTTP and HTTPS on the admin server's port, with the stores of ssl.quorum";
    ADMIN_HTTPS: Switch = "admin.forceHttps", Switch, "false", "3.6.x",
        "HTTPS only for the admin server, with the stores of ssl.quorum";
    ADMIN_CLIENT_AUTH: Switch = "admin.needClientAuth", Switch, "false", "3.9.x",
        "the admin server demands client certificates";
    ADMIN_RATE: Lenient<Int<u32>> = "admin.rateLimiterIntervalInMS", lenient(decimal(0, INT_MAX)), "300000", "3.9.x",
        "ms between the admin server's restores, and a thousandth of it between its snapshots";
    ADMIN_SNAPSHOT: Switch = "admin.snapshot.enabled", Switch, "true", "3.9.x", "the admin server's snapshot command";
    ADMIN_RESTORE: Switch = "admin.restore.enabled", Switch, "true", "3.9.x", "the admin server's restore command";
    METRICS: Lenient<OneOf<bool>> = "metricsProvider.className", lenient(exactly(PROVIDERS)), "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        "3.6.x", "where metrics go: with PrometheusMetricsProvider to whoever asks by HTTP";
    METRICS_HOST: Text = "metricsProvider.httpHost", Text, "0.0.0.0", "3.8.0", "address of the exporter";
    METRICS_PORT: Int<u16> = "metricsProvider.httpPort", number(0, 65535), "7000", "3.6.x", "port of the exporter; 0: any free one";
    METRICS_HTTPS: Int<u16> = "metricsProvider.httpsPort", number(0, 65535), "unset", "3.10",
        "TLS port of the exporter, without the other one unless that is given, too; the same number: plain and TLS on one port";
    METRICS_KEY_STORE: Text = "metricsProvider.ssl.keyStore.location", Text, "unset", "3.10",
        "file of the exporter's key and certificates, which is read again when it changes";
    METRICS_KEY_PASSWORD: Text = "metricsProvider.ssl.keyStore.password", Text, "", "3.10", "password of the exporter's key store";
    METRICS_KEY_PASSWORD_PATH: Text = "metricsProvider.ssl.keyStore.passwordPath", Text, "unset", "oxkeeper",
        "file with the password of the exporter's key store; wins over the password";
    METRICS_KEY_TYPE: Text = "metricsProvider.ssl.keyStore.type", Text, "by extension", "3.10", "JKS, PEM or PKCS12";
    METRICS_TRUST_STORE: Text = "metricsProvider.ssl.trustStore.location", Text, "unset", "3.10",
        "file of the certificates that vouch for who asks the exporter";
    METRICS_TRUST_PASSWORD: Text = "metricsProvider.ssl.trustStore.password", Text, "", "3.10", "password of the exporter's trust store";
    METRICS_TRUST_PASSWORD_PATH: Text = "metricsProvider.ssl.trustStore.passwordPath", Text, "unset", "oxkeeper",
        "file with the password of the exporter's trust store; wins over the password";
    METRICS_TRUST_TYPE: Text = "metricsProvider.ssl.trustStore.type", Text, "by extension", "3.10", "JKS, PEM or PKCS12";
    METRICS_CLIENT_AUTH: Switch = "metricsProvider.ssl.need.client.auth", Switch, "true", "3.10",
        "the exporter's TLS port demands certificates";
    METRICS_CLIENT_CERTIFICATE: Switch = "metricsProvider.ssl.want.client.auth", Switch, "if there is a trust store", "3.10",
        "it asks for them, and lets in who has none";
    METRICS_PROTOCOLS: List = "metricsProvider.ssl.enabledProtocols", List, "TLSv1.3 and TLSv1.2", "3.10", "TLS versions that the exporter speaks";
    METRICS_SUITES: List = "metricsProvider.ssl.ciphersuites", List, "all that are safe", "3.10", "its cipher suites, by their names in Java";
    METRICS_ROTATION: Int<u32> = "metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds", number(0, INT_MAX), "60", "3.10",
        "s after which quantiles are those of what came since",
        idle "they are those of the last ten minutes whenever somebody asks";
    METRICS_PROCESS: Switch = "metricsProvider.exportJvmInfo", Switch, "true", "3.6.x",
        "the exporter has figures of the process, too";
    METRICS_WORKERS: Int<i32> = "metricsProvider.numWorkerThreads", number(-INT_MAX, INT_MAX), "1", "3.7.1",
        "workers of the exporter",
        idle "figures are counted where they arise";
    METRICS_QUEUE: Int<u32> = "metricsProvider.maxQueueSize", number(0, INT_MAX), "1000000", "3.7.1",
        "queue of the exporter",
        idle "figures are counted where they arise";
    METRICS_END: Int<u64> = "metricsProvider.workerShutdownTimeoutMs", number(0, i64::MAX), "1000", "3.7.1",
        "ms the exporter's workers may end in",
        idle "figures are counted where they arise";
}

accepted! {
    SWITCHES, Status::Missing(When::Is("true"));
    "jvm.pause.monitor", Flag, "false", "3.5.x", "log pauses of the process";
    "messageTracker.Enabled", Switch, "false", "3.6.x", "keep the last quorum messages for the log";
    "pathStats.enabled", Switch, "false", "3.6.x", "statistics of paths in the log";
}

accepted! {
    ACCEPTED, Status::Missing(When::Given);
    "metricsProvider.*", Text, "unset", "3.6.x", "further settings of the exporter";
    "jvm.pause.warn-threshold.ms", decimal::<i64>(i64::MIN, i64::MAX), "10000", "3.5.x",
        "ms of a pause that is a warning";
    "jvm.pause.info-threshold.ms", decimal::<i64>(i64::MIN, i64::MAX), "1000", "3.5.x", "ms of a pause that is told";
    "jvm.pause.sleep.time.ms", decimal::<i64>(i64::MIN, i64::MAX), "500", "3.5.x", "ms between probes of the pause monitor";
    "messageTracker.BufferSize", number::<u32>(0, INT_MAX), "10", "3.6.x", "quorum messages kept";
    "pathStats.slotCapacity", number::<u32>(0, INT_MAX), "60", "3.6.x", "slots of the path statistics";
    "pathStats.slotDuration", number::<u32>(0, INT_MAX), "15", "3.6.x", "seconds of a slot of the path statistics";
    "pathStats.maxDepth", number::<u32>(0, INT_MAX), "6", "3.6.x", "depth of paths in the path statistics";
    "pathStats.sampleRate", Share, "0.1", "3.6.x", "share of requests in the path statistics";
    "pathStats.initialDelay", number::<u64>(0, i64::MAX), "5", "3.6.x", "minutes to the first report of the path statistics";
    "pathStats.delay", number::<u64>(0, i64::MAX), "5", "3.6.x", "minutes between reports of the path statistics";
    "pathStats.topPathMax", number::<u32>(0, INT_MAX), "20", "3.6.x", "paths in a report of the path statistics";
}
