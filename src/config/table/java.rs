//! Rows about threads, tables and libraries of the Java server, and about the virtual machine. They are checked, so that
//! a typing error is told.

use super::{Status, accepted};
use crate::config::rules::*;

accepted! {
    ACCEPTED, Status::Java;
    "watchManagerName", Text, "WatchManager", "3.6.x", "class of the watch table; there is one here";
    "watcherCleanThreadsNum", number::<u32>(0, INT_MAX), "2", "3.6.x", "threads that clean that table";
    "watcherCleanThreshold", number::<u32>(0, INT_MAX), "1000", "3.6.x", "dead watchers before a cleaning";
    "watcherCleanIntervalInSeconds", number::<u32>(0, INT_MAX), "600", "3.6.x", "seconds before a cleaning";
    "maxInProcessingDeadWatchers", number::<i32>(-INT_MAX, INT_MAX), "-1", "3.6.x", "limit of dead watchers";
    "bitHashCacheSize", number::<u32>(0, INT_MAX), "10", "3.6.x", "cache of that table";
    "serverCnxnFactory", Text, "NIOServerCnxnFactory", "<=3.4",
        "class that serves clients; there is one here";
    "nio.numSelectorThreads", number::<u32>(1, INT_MAX), "by cores", "3.5.x",
        "selector threads; here each I/O worker polls its own connections";
    "nio.directBufferBytes", number::<u32>(0, INT_MAX), "65536", "3.5.x", "direct buffer of an I/O thread";
    "nio.shutdownTimeout", number::<u64>(0, i64::MAX), "5000", "3.5.x", "ms for I/O threads to end";
    "netty.advancedFlowControl.enabled", Switch, "false", "3.6.x", "read on demand; here it always is so";
    "netty.server.earlyDropSecureConnectionHandshakes", Switch, "false", "3.7.x", "drop TLS connections early";
    "commitProcessor.numWorkerThreads", number::<u32>(0, INT_MAX), "cores", "3.5.x",
        "workers of the commit stage";
    "commitProcessor.maxReadBatchSize", number::<i32>(-INT_MAX, INT_MAX), "-1", "3.6.x", "reads in a round";
    "commitProcessor.maxCommitBatchSize", number::<u32>(0, INT_MAX), "1", "3.6.x", "commits in a round";
    "commitProcessor.shutdownTimeout", number::<u64>(0, i64::MAX), "5000", "3.5.x",
        "ms for its workers to end";
    "jmx.log4j.disable", Switch, "false", "<=3.4", "no beans of the logging library";
    "jmx.log4j.mbean", Text, "log4j:hierarchy=default", "3.5.x", "its bean";
    "log.*", Text, "unset", "<=3.4",
        "folder, file and levels of the log; here it goes to stderr, see RUST_LOG";
    "root.logger", Text, "unset", "<=3.4", "level and target of logs; here RUST_LOG";
    "java.*", Text, "unset", "<=3.4", "for the JVM only";
    "javax.*", Text, "unset", "<=3.4", "for the JVM only";
    "jdk.*", Text, "unset", "<=3.4", "for the JVM only";
    "sun.*", Text, "unset", "<=3.4", "for the JVM only";
    "com.sun.*", Text, "unset", "<=3.4", "for the JVM only";
    "user.*", Text, "unset", "<=3.4", "for the JVM only";
    "file.encoding", Text, "unset", "<=3.4", "for the JVM only";
    "io.netty.*", Text, "unset", "3.5.x", "for the JVM only: a library of its server";
    "log4j.*", Text, "unset", "<=3.4", "for the JVM only: its log; here RUST_LOG";
    "log4j2.*", Text, "unset", "<=3.4", "for the JVM only: its log; here RUST_LOG";
    "logback.*", Text, "unset", "3.8.0", "for the JVM only: its log; here RUST_LOG";
    "console.threshold", Text, "unset", "<=3.4", "level of logs on the console; here RUST_LOG";
}
