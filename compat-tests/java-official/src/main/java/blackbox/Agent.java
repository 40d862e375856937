package blackbox;

import java.io.ByteArrayInputStream;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.security.ProtectionDomain;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import javassist.ClassPool;
import javassist.CtBehavior;
import javassist.CtClass;
import javassist.CtConstructor;
import javassist.CtMethod;
import javassist.LoaderClassPath;
import javassist.Modifier;
import javassist.expr.ExprEditor;
import javassist.expr.FieldAccess;

/**
 * Rewrites, while classes load, the entry points through which the published tests bring a server to life,
 * so that each of them drives a child process instead. Everything that would run server code inside
 * this JVM is replaced by a trap which is counted and thrown.
 */
public final class Agent implements ClassFileTransformer {
    private static final String Z = "org.apache.zookeeper.";
    private static final Set<String> FACTORIES = Set.of(Z + "server.NIOServerCnxnFactory", Z + "server.NettyServerCnxnFactory");
    private static final Set<String> LEARNERS = Set.of(Z + "server.quorum.Leader", Z + "server.quorum.Follower",
            Z + "server.quorum.Observer", Z + "server.quorum.Learner", Z + "server.quorum.LearnerMaster");
    private static final Set<String> ZKS_PLAIN = new HashSet<>(Arrays.asList(
            "getTickTime", "setTickTime", "getMinSessionTimeout", "setMinSessionTimeout", "getMaxSessionTimeout",
            "setMaxSessionTimeout", "setCreateSessionTrackerServerId", "shutdown", "canShutdown", "getClientPortListenBacklog",
            "setClientPortListenBacklog", "setServerCnxnFactory", "setSecureServerCnxnFactory", "getInitialConfig",
            "registerServerShutdownHandler", "toString", "hashCode", "equals", "getTxnLogFactory", "initLargeRequestThrottlingSettings"));
    private static final Set<String> ZKS_MAPPED = Set.of("isRunning", "getLastProcessedZxid", "getZxid");
    private static final Set<String> ZKS_TRAP = Set.of("startdata", "startup", "loadData", "setupRequestProcessors",
            "startSessionTracker", "processConnectRequest", "processPacket", "restoreFromSnapshot", "takeSnapshot");
    private static final Set<String> FACTORY_GUARD = Set.of("getConnections", "closeAll", "closeSession",
            "resetAllConnectionStats", "getAllConnectionInfo", "addSession", "getNumAliveConnections", "getParentChannel",
            "getOutstandingHandshakeNum", "removeCnxnFromSessionMap", "setAdvancedFlowControlEnabled", "setSecure");
    private static final Set<String> PEER_GUARD = Set.of("getActiveServer", "getZkDb", "getQuorumCnxManager", "setSuspended",
            "closeAllConnections", "processReconfig", "createCnxnManager", "getLeaderAddress", "getSyncMode", "getZabState",
            "getCurrentVote", "setCurrentVote", "setPeerState", "getSynced_observers_metric", "getElectionTimeTaken", "getLeaderId",
            "stopLeaderElection", "restartLeaderElection", "getDetailedPeerState");

    private final ClassPool pool = new ClassPool(true);

    public static void premain(String args, Instrumentation inst) {
        inst.addTransformer(new Agent());
    }

    private Agent() {
        pool.appendClassPath(new LoaderClassPath(ClassLoader.getSystemClassLoader()));
    }

    @Override
    public byte[] transform(ClassLoader loader, String slashed, Class<?> c, ProtectionDomain pd, byte[] raw) {
        if (slashed == null || !slashed.startsWith("org/apache/zookeeper/")) {
            return null;
        }
        try {
            synchronized (pool) {
                CtClass ct = pool.makeClass(new ByteArrayInputStream(raw), false);
                if (ct.isFrozen()) {
                    ct.defrost();
                }
                boolean fromTests = pd != null && pd.getCodeSource() != null
                        && String.valueOf(pd.getCodeSource().getLocation()).endsWith("-tests.jar");
                boolean changed = fromTests ? editTest(ct) : editMain(ct);
                byte[] out = changed ? ct.toBytecode() : null;
                ct.detach();
                return out;
            }
        } catch (Throwable t) {
            System.err.println("agent could not rewrite " + slashed);
            t.printStackTrace();
            Runtime.getRuntime().halt(97);
            return null;
        }
    }

    private static void body(CtClass ct, String name, String src) throws Exception {
        int n = 0;
        for (CtMethod m : ct.getDeclaredMethods()) {
            if (m.getName().equals(name) && !Modifier.isAbstract(m.getModifiers())) {
                m.setBody(src);
                n++;
            }
        }
        if (n == 0) {
            throw new IllegalStateException("no method " + name + " in " + ct.getName());
        }
    }

    private static void before(CtClass ct, String name, String src) throws Exception {
        int n = 0;
        for (CtMethod m : ct.getDeclaredMethods()) {
            if (m.getName().equals(name) && !Modifier.isAbstract(m.getModifiers())) {
                m.insertBefore(src);
                n++;
            }
        }
        if (n == 0) {
            throw new IllegalStateException("no method " + name + " in " + ct.getName());
        }
    }

    private boolean editMain(CtClass ct) throws Exception {
        String n = ct.getName();
        if (FACTORIES.contains(n)) {
            body(ct, "configure", "{ this.maxClientCnxns = $2; this.listenBacklog = $3; this.secure = $4; blackbox.Ext.configure(this, $1); }");
            body(ct, "start", "{ }");
            body(ct, "startup", "{ setZooKeeperServer($1); blackbox.Ext.startup(this, $1, $2); }");
            body(ct, "shutdown", "{ blackbox.Ext.shutdown(this); }");
            body(ct, "join", "{ blackbox.Ext.join(this); }");
            body(ct, "getLocalPort", "{ return blackbox.Ext.localPort(this); }");
            body(ct, "getLocalAddress", "{ return blackbox.Ext.localAddress(this); }");
            body(ct, "reconfigure", "{ throw new blackbox.Unsupported(\"ServerCnxnFactory.reconfigure\"); }");
            before(ct, "setMaxClientCnxnsPerHost", "blackbox.Ext.notRunning(this, \"setMaxClientCnxnsPerHost\");");
            guardAll(ct, FACTORY_GUARD);
            return true;
        }
        switch (n) {
        case Z + "server.ServerCnxnFactory":
            guardAll(ct, FACTORY_GUARD);
            body(ct, "configureSaslLogin", "{ }");
            return true;
        case Z + "server.NIOServerCnxnFactory$AcceptThread":
        case Z + "server.NIOServerCnxnFactory$SelectorThread":
            before(ct, "run", "blackbox.Ext.inJvm(\"" + n + "\");");
            return true;
        case Z + "server.quorum.QuorumCnxManager$Listener":
        case Z + "server.quorum.LearnerHandler":
            before(ct, "run", "blackbox.Ext.inJvm(\"" + n + "\");");
            return true;
        case Z + "server.quorum.FastLeaderElection":
            before(ct, "lookForLeader", "blackbox.Ext.inJvm(\"" + n + "\");");
            return true;
        case Z + "server.ZooKeeperServer":
            for (CtMethod m : ct.getDeclaredMethods()) {
                int mod = m.getModifiers();
                String name = m.getName();
                if (Modifier.isStatic(mod) || Modifier.isAbstract(mod) || Modifier.isNative(mod)) {
                    continue;
                }
                if (ZKS_TRAP.contains(name)) {
                    m.insertBefore("blackbox.Ext.inJvm(\"ZooKeeperServer." + name + "\");");
                } else if (name.equals("isRunning")) {
                    m.insertBefore("if (blackbox.Ext.known(this)) return blackbox.Ext.running(this);");
                } else if (ZKS_MAPPED.contains(name)) {
                    m.insertBefore("if (blackbox.Ext.known(this)) return blackbox.Ext.zxid(this);");
                } else if (Modifier.isPublic(mod) && !ZKS_PLAIN.contains(name)) {
                    m.insertBefore("blackbox.Ext.guard(\"ZooKeeperServer." + name + "\");");
                }
            }
            return true;
        case Z + "server.admin.JettyAdminServer":
            body(ct, "start", "{ blackbox.Ext.adminStart(this, this.zkServer); }");
            body(ct, "shutdown", "{ }");
            return true;
        case Z + "ClientCnxn$SendThread":
            before(ct, "onConnected", "blackbox.Contact.COUNT.incrementAndGet();");
            return true;
        case Z + "client.FourLetterWordMain":
            before(ct, "send4LetterWord", "blackbox.Ext.word($3);");
            return true;
        case Z + "server.admin.Commands":
            for (CtMethod m : ct.getDeclaredMethods()) {
                if (m.getName().startsWith("run")) {
                    m.insertBefore("blackbox.Ext.inJvm(\"admin command\");");
                }
            }
            return true;
        case Z + "server.ZooKeeperServerMain":
            body(ct, "initializeAndRun", "{ blackbox.Ext.mainStandalone(this, $1); }");
            body(ct, "runFromConfig", "{ blackbox.Ext.mainStandaloneConfig(this, $1); }");
            body(ct, "shutdown", "{ blackbox.Ext.mainStop(this); }");
            body(ct, "close", "{ blackbox.Ext.mainStop(this); }");
            before(ct, "getClientPort", "blackbox.Ext.guard(\"ZooKeeperServerMain.getClientPort\");");
            before(ct, "getCnxnFactory", "blackbox.Ext.guard(\"ZooKeeperServerMain.getCnxnFactory\");");
            before(ct, "getSecureCnxnFactory", "blackbox.Ext.guard(\"ZooKeeperServerMain.getSecureCnxnFactory\");");
            return true;
        case Z + "server.quorum.QuorumPeerMain":
            body(ct, "initializeAndRun", "{ blackbox.Ext.mainQuorum(this, $1); }");
            body(ct, "runFromConfig", "{ throw new blackbox.Unsupported(\"QuorumPeerMain.runFromConfig\"); }");
            before(ct, "close", "blackbox.Ext.mainStop(this);");
            return true;
        case Z + "server.quorum.QuorumPeer":
            body(ct, "start", "{ blackbox.Ext.peerStart(this); super.start(); }");
            body(ct, "run", "{ blackbox.Ext.peerRun(this); }");
            body(ct, "shutdown", "{ blackbox.Ext.peerStop(this); }");
            body(ct, "initConfigInZKDatabase", "{ }");
            body(ct, "startLeaderElection", "{ blackbox.Ext.inJvm(\"QuorumPeer.startLeaderElection\"); }");
            before(ct, "getPeerState", "if (blackbox.Ext.known(this)) return blackbox.Ext.peerState(this);");
            before(ct, "isRunning", "if (blackbox.Ext.known(this)) return blackbox.Ext.running(this);");
            before(ct, "getLastLoggedZxid", "if (blackbox.Ext.known(this)) return blackbox.Ext.zxid(this);");
            before(ct, "getCurrentEpoch", "if (blackbox.Ext.known(this)) return blackbox.Ext.epoch(this, \"currentEpoch\");");
            before(ct, "getAcceptedEpoch", "if (blackbox.Ext.known(this)) return blackbox.Ext.epoch(this, \"acceptedEpoch\");");
            before(ct, "getQuorumVerifier", "if (blackbox.Ext.liveForTest(this)) return blackbox.Ext.verifier(this);");
            before(ct, "getTxnFactory", "if (blackbox.Ext.known(this)) return blackbox.Ext.txnFactory(this);");
            guardAll(ct, PEER_GUARD);
            return true;
        default:
            if (LEARNERS.contains(n)) {
                for (CtMethod m : ct.getDeclaredMethods()) {
                    int mod = m.getModifiers();
                    if (!Modifier.isStatic(mod) && !Modifier.isAbstract(mod) && !Modifier.isPrivate(mod) && !m.getName().equals("hashCode") && !m.getName().equals("toString")) {
                        m.insertBefore("blackbox.Ext.dummyGuard(this, \"" + ct.getSimpleName() + "." + m.getName() + "\");");
                    }
                }
                return true;
            }
            return false;
        }
    }

    private static void guardAll(CtClass ct, Set<String> names) throws Exception {
        for (CtMethod m : ct.getDeclaredMethods()) {
            if (names.contains(m.getName()) && !Modifier.isAbstract(m.getModifiers())) {
                m.insertBefore("blackbox.Ext.guard(\"" + ct.getSimpleName() + "." + m.getName() + "\");");
            }
        }
    }

    private boolean editTest(CtClass ct) throws Exception {
        String n = ct.getName();
        boolean changed = false;
        if (n.equals(Z + "PortAssignment")) {
            body(ct, "unique", "{ return blackbox.Ports.next(); }");
            return true;
        }
        if (n.equals(Z + "metrics.MetricsUtils")) {
            body(ct, "currentServerMetrics", "{ return blackbox.Ext.metrics(); }");
            return true;
        }
        if (n.equals(Z + "test.JMXEnv")) {
            body(ct, "setUp", "{ }");
            body(ct, "tearDown", "{ }");
            body(ct, "dump", "{ }");
            for (String s : new String[] {"ensureAll", "ensureOnly", "ensureParent"}) {
                body(ct, s, "{ blackbox.Ext.guard(\"JMX beans\"); return new java.util.HashSet(); }");
            }
            body(ct, "ensureNone", "{ blackbox.Ext.guard(\"JMX beans\"); }");
            for (String s : new String[] {"conn", "ensureBeanAttribute", "getServerBeans", "getServerBean"}) {
                body(ct, s, "{ throw new blackbox.Unsupported(\"JMX beans\"); }");
            }
            return true;
        }
        if (n.equals(Z + "RemoveWatchesTest")) {
            body(ct, "isServerSessionWatcher", "{ return blackbox.Ext.serverHasWatch(this, $1, $2, $3.getIntValue()); }");
            changed = true;
        }
        if (n.equals(Z + "server.quorum.QuorumPeerTestBase$MainThread")) {
            before(ct, "shutdown", "if (main != null) blackbox.Ext.mainStop(main);");
            changed = true;
        }
        for (String r : new String[] {"java.net.Socket", "java.nio.channels.SocketChannel", "java.net.URL", "java.net.HttpURLConnection"}) {
            if (ct.getRefClasses().contains(r)) {
                Contact.RAW.add(n);
            }
        }
        boolean[] hit = {false};
        for (CtBehavior b : ct.getDeclaredBehaviors()) {
            if (b instanceof CtConstructor && ((CtConstructor) b).isClassInitializer()) {
                continue;
            }
            b.instrument(new ExprEditor() {
                @Override
                public void edit(FieldAccess f) throws javassist.CannotCompileException {
                    if (!f.isReader() || f.isStatic()) {
                        return;
                    }
                    String owner = f.getClassName();
                    String field = f.getFieldName();
                    if (owner.equals(Z + "server.quorum.QuorumPeer") || owner.endsWith("QuorumPeer")) {
                        if (field.equals("leader") || field.equals("follower") || field.equals("observer")) {
                            f.replace("{ $_ = ($r) blackbox.Ext.role($0, \"" + field + "\", $proceed($$)); }");
                            hit[0] = true;
                        }
                    } else if (LEARNERS.contains(owner)) {
                        f.replace("{ blackbox.Ext.dummyGuard($0, \"" + owner + "." + field + "\"); $_ = $proceed($$); }");
                        hit[0] = true;
                    }
                }
            });
        }
        return changed || hit[0];
    }
}
