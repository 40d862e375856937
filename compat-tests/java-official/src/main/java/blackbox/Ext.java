package blackbox;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.proto.CheckWatchesRequest;
import org.apache.zookeeper.proto.ReplyHeader;
import org.apache.zookeeper.proto.RequestHeader;
import org.apache.zookeeper.server.ServerCnxnFactory;
import org.apache.zookeeper.server.ServerConfig;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.ZooKeeperServerMain;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;
import org.apache.zookeeper.server.quorum.QuorumPeer;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;
import org.apache.zookeeper.server.quorum.QuorumPeerMain;
import org.apache.zookeeper.server.quorum.flexible.QuorumOracleMaj;
import org.apache.zookeeper.server.quorum.flexible.QuorumVerifier;

/** What the rewritten entry points call. Objects of the test JVM are tied here to server processes. */
public final class Ext {
    private static final String Z = "org.apache.zookeeper.";
    public static final AtomicInteger IN_JVM = new AtomicInteger();
    private static final Map<Object, Sut> SUTS = Collections.synchronizedMap(new IdentityHashMap<>());
    private static final Map<Object, InetSocketAddress> ADDR = Collections.synchronizedMap(new IdentityHashMap<>());
    private static final Map<Object, Object> DUMMY = Collections.synchronizedMap(new IdentityHashMap<>());
    private static final Map<Object, File> PRESET = Collections.synchronizedMap(new IdentityHashMap<>());
    private static final Map<Object, File> DATA = Collections.synchronizedMap(new IdentityHashMap<>());
    private static final StackWalker WALK = StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE);

    private Ext() {
    }

    // ---- traps ----

    public static void inJvm(String what) {
        IN_JVM.incrementAndGet();
        throw new Unsupported("runs server code in the test JVM: " + what);
    }

    private static boolean isTest(Class<?> c) {
        if (c.getProtectionDomain().getCodeSource() == null
                || !String.valueOf(c.getProtectionDomain().getCodeSource().getLocation()).endsWith("-tests.jar")) {
            return false;
        }
        String n = c.getName();
        int d = n.indexOf('$');
        String top = d < 0 ? n : n.substring(0, d);
        return !(top.equals(Z + "test.ClientBase") || top.equals(Z + "test.QuorumBase") || top.equals(Z + "test.QuorumUtil")
                || top.equals(Z + "test.JMXEnv") || top.equals(Z + "server.quorum.QuorumPeerTestBase"));
    }

    /** True when the guarded method (two frames up) was called straight from a test's own code. */
    private static boolean fromTest() {
        List<Class<?>> f = WALK.walk(s -> s.map(StackWalker.StackFrame::getDeclaringClass)
                .dropWhile(c -> c.getName().startsWith("blackbox.")).skip(1).limit(1).collect(java.util.stream.Collectors.toList()));
        return !f.isEmpty() && isTest(f.get(0));
    }

    public static void guard(String what) {
        if (fromTest()) {
            throw new Unsupported(what);
        }
    }

    public static void dummyGuard(Object o, String what) {
        if (DUMMY.containsValue(o)) {
            throw new Unsupported(what);
        }
    }

    public static void notRunning(Object factory, String what) {
        Sut s = SUTS.get(factory);
        if (s != null && s.alive()) {
            throw new Unsupported(what + " on a running server");
        }
    }

    public static void word(String cmd) {
        boolean setUp = WALK.walk(s -> s.anyMatch(f -> f.getClassName().equals(Z + "test.ClientBase")
                && f.getMethodName().startsWith("waitForServer")));
        if (!setUp) {
            Contact.COUNT.incrementAndGet();
            Trace.note("word", cmd);
        }
    }

    // ---- reflection helpers ----

    private static Field find(Class<?> c, String f) throws NoSuchFieldException {
        for (Class<?> k = c; k != null; k = k.getSuperclass()) {
            try {
                Field x = k.getDeclaredField(f);
                x.setAccessible(true);
                return x;
            } catch (NoSuchFieldException e) {
                // look higher
            }
        }
        throw new NoSuchFieldException(f);
    }

    private static Object get(Object o, String f) {
        try {
            return find(o.getClass(), f).get(o);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void set(Object o, String f, Object v) {
        try {
            find(o.getClass(), f).set(o, v);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- connection factories: a standalone server ----

    public static void configure(ServerCnxnFactory f, InetSocketAddress a) throws IOException {
        if (a.getPort() == 0) {
            a = new InetSocketAddress(a.getAddress(), Ports.next());
        }
        ADDR.put(f, a);
    }

    public static int localPort(ServerCnxnFactory f) {
        InetSocketAddress a = ADDR.get(f);
        return a == null ? 0 : a.getPort();
    }

    public static InetSocketAddress localAddress(ServerCnxnFactory f) {
        return ADDR.get(f);
    }

    public static void startup(ServerCnxnFactory f, ZooKeeperServer zks, boolean own) throws IOException, InterruptedException {
        if (!own) {
            throw new Unsupported("two connection factories on one server object");
        }
        if (zks.getClass() != ZooKeeperServer.class) {
            throw new Unsupported("server class replaced by the test: " + zks.getClass().getName());
        }
        InetSocketAddress a = ADDR.get(f);
        if (a == null) {
            throw new Unsupported("factory without an address");
        }
        Path dir = Sut.freshDir("standalone");
        FileTxnSnapLog log = zks.getTxnLogFactory();
        TreeMap<String, String> m = new TreeMap<>(Sut.forwarded());
        m.put("dataDir", log.getSnapDir().getParentFile().getAbsolutePath());
        m.put("dataLogDir", log.getDataLogDir().getParentFile().getAbsolutePath());
        m.put("tickTime", String.valueOf(zks.getTickTime()));
        m.put("minSessionTimeout", String.valueOf(zks.getMinSessionTimeout()));
        m.put("maxSessionTimeout", String.valueOf(zks.getMaxSessionTimeout()));
        m.put("maxClientCnxns", String.valueOf(Math.max(0, f.getMaxClientCnxnsPerHost())));
        String p = f.isSecure() ? "secureClientPort" : "clientPort";
        m.put(p, String.valueOf(a.getPort()));
        if (a.getAddress() != null && !a.getAddress().isAnyLocalAddress()) {
            m.put(p + "Address", a.getAddress().getHostAddress());
        }
        File cfg = write(dir, m, "");
        Sut s = new Sut("standalone", cfg, a, f.isSecure());
        SUTS.put(f, s);
        SUTS.put(zks, s);
        s.start();
        if (!s.awaitUp()) {
            s.stop();
            throw new IOException("the server under test did not come up: " + cfg);
        }
    }

    private static File write(Path dir, Map<String, String> m, String tail) throws IOException {
        StringBuilder sb = new StringBuilder();
        m.forEach((k, v) -> sb.append(Sut.line(k, v)));
        File cfg = dir.resolve("zoo.cfg").toFile();
        Files.writeString(cfg.toPath(), sb + tail);
        return cfg;
    }

    public static void shutdown(ServerCnxnFactory f) {
        Sut s = SUTS.get(f);
        if (s != null) {
            s.stop();
        }
    }

    public static void join(ServerCnxnFactory f) throws InterruptedException {
        Sut s = SUTS.get(f);
        if (s != null) {
            s.waitFor();
        }
    }

    /** An admin server of its own for a server that already runs: run that server again with the admin settings. */
    public static void adminStart(Object admin, ZooKeeperServer zks) throws IOException {
        Sut old = zks == null ? null : SUTS.get(zks);
        if (old == null) {
            throw new Unsupported("admin server without a server");
        }
        old.stop();
        Properties p = new Properties();
        try (java.io.InputStream in = Files.newInputStream(old.cfg.toPath())) {
            p.load(in);
        }
        TreeMap<String, String> m = new TreeMap<>();
        p.stringPropertyNames().forEach(k -> m.put(k, p.getProperty(k)));
        m.putAll(Sut.forwarded());
        m.put("admin.enableServer", "true");
        m.put("admin.serverPort", String.valueOf(get(admin, "port")));
        File cfg = write(Sut.freshDir("admin"), m, "");
        Sut s = new Sut("standalone", cfg, old.client, old.secure);
        synchronized (SUTS) {
            SUTS.replaceAll((k, v) -> v == old ? s : v);
        }
        s.start();
        try {
            if (!s.awaitUp()) {
                throw new IOException("the server under test did not come up: " + cfg);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- the main classes ----

    private static InetSocketAddress clientOf(Properties p) {
        String port = p.getProperty("clientPort");
        if (port == null) {
            return null;
        }
        String host = p.getProperty("clientPortAddress");
        int n = Integer.parseInt(port.trim());
        return host == null ? new InetSocketAddress(n) : new InetSocketAddress(host.trim(), n);
    }

    private static Properties load(File f) throws IOException {
        Properties p = new Properties();
        try (java.io.InputStream in = Files.newInputStream(f.toPath())) {
            p.load(in);
        }
        return p;
    }

    private static void runStandalone(Object main, File cfg) throws IOException {
        Properties p = load(cfg);
        InetSocketAddress a = clientOf(p);
        boolean secure = false;
        if (a == null && p.getProperty("secureClientPort") != null) {
            a = new InetSocketAddress(Integer.parseInt(p.getProperty("secureClientPort").trim()));
            secure = true;
        }
        Sut s = new Sut("main", cfg, a, secure);
        SUTS.put(main, s);
        s.start();
        try {
            if (s.awaitUp() && main instanceof ZooKeeperServerMain) {
                try {
                    Method m = ZooKeeperServerMain.class.getDeclaredMethod("serverStarted");
                    m.setAccessible(true);
                    m.invoke(main);
                } catch (ReflectiveOperationException e) {
                    throw new IllegalStateException(e);
                }
            }
            int rc = s.waitFor();
            if (rc != 0 && rc != 143 && rc != 137) {
                throw new IOException("server under test exited with " + rc);
            }
        } catch (InterruptedException e) {
            s.stop();
            Thread.currentThread().interrupt();
        }
    }

    private static void notOverridden(Object o, Class<?> base, String... methods) {
        for (String n : methods) {
            for (Class<?> c = o.getClass(); c != null && c != base; c = c.getSuperclass()) {
                for (Method m : c.getDeclaredMethods()) {
                    if (m.getName().equals(n)) {
                        throw new Unsupported("server internals replaced by the test: " + c.getName() + "." + n);
                    }
                }
            }
        }
    }

    public static void mainStandalone(ZooKeeperServerMain main, String[] args) throws IOException {
        notOverridden(main, ZooKeeperServerMain.class, "runFromConfig");
        if (args.length == 1) {
            File cfg = new File(args[0]);
            Sut.complete(cfg);
            runStandalone(main, cfg);
            return;
        }
        TreeMap<String, String> m = new TreeMap<>(Sut.forwarded());
        m.put("clientPort", args[0]);
        m.put("dataDir", new File(args[1]).getAbsolutePath());
        m.put("tickTime", args.length > 2 ? args[2] : "3000");
        if (args.length > 3) {
            m.put("maxClientCnxns", args[3]);
        }
        runStandalone(main, write(Sut.freshDir("args"), m, ""));
    }

    public static void mainStandaloneConfig(ZooKeeperServerMain main, ServerConfig c) throws IOException {
        notOverridden(main, ZooKeeperServerMain.class, "runFromConfig");
        TreeMap<String, String> m = new TreeMap<>(Sut.forwarded());
        m.put("dataDir", c.getDataDir().getAbsolutePath());
        m.put("dataLogDir", c.getDataLogDir().getAbsolutePath());
        m.put("tickTime", String.valueOf(c.getTickTime()));
        m.put("maxClientCnxns", String.valueOf(c.getMaxClientCnxns()));
        if (c.getMinSessionTimeout() > 0) {
            m.put("minSessionTimeout", String.valueOf(c.getMinSessionTimeout()));
        }
        if (c.getMaxSessionTimeout() > 0) {
            m.put("maxSessionTimeout", String.valueOf(c.getMaxSessionTimeout()));
        }
        if (c.getClientPortAddress() != null) {
            m.put("clientPort", String.valueOf(c.getClientPortAddress().getPort()));
        }
        if (c.getSecureClientPortAddress() != null) {
            m.put("secureClientPort", String.valueOf(c.getSecureClientPortAddress().getPort()));
        }
        runStandalone(main, write(Sut.freshDir("config"), m, ""));
    }

    public static void mainStop(Object main) {
        Sut s = SUTS.get(main);
        if (s != null) {
            s.stop();
        }
    }

    public static void mainQuorum(QuorumPeerMain main, String[] args) throws Exception {
        notOverridden(main, QuorumPeerMain.class, "runFromConfig", "getQuorumPeer", "initializeAndRun");
        File cfg = new File(args[0]);
        Properties p = load(cfg);
        Properties dyn = p;
        if (p.getProperty("dynamicConfigFile") != null) {
            File d = new File(p.getProperty("dynamicConfigFile").trim());
            dyn = d.exists() ? load(d) : new Properties();
        }
        boolean quorum = dyn.stringPropertyNames().stream().anyMatch(k -> k.startsWith("server."));
        Sut.complete(cfg);
        if (!quorum) {
            runStandalone(main, cfg);
            return;
        }
        File data = new File(p.getProperty("dataDir").trim());
        QuorumPeer peer = QuorumPeer.testingQuorumPeer();
        InetSocketAddress client = clientOf(p);
        QuorumVerifier qv = null;
        try {
            long id = Long.parseLong(Files.readString(data.toPath().resolve("myid")).trim());
            set(peer, "myid", id);
            Properties only = new Properties();
            for (String k : dyn.stringPropertyNames()) {
                if (k.startsWith("server.") || k.startsWith("group") || k.startsWith("weight") || (dyn != p && k.equals("version"))) {
                    only.setProperty(k, dyn.getProperty(k));
                }
            }
            qv = QuorumPeerConfig.parseDynamicConfig(only, 3, false, false, p.getProperty("oraclePath"));
            peer.setQuorumVerifier(qv, false);
            QuorumPeer.QuorumServer me = qv.getAllMembers().get(id);
            if (me != null && me.clientAddr != null) {
                client = me.clientAddr;
            }
            if (me != null) {
                peer.setLearnerType(me.type);
            }
        } catch (Exception e) {
            System.err.println("configuration not understood by the test runner, left to the server: " + e);
        }
        if (qv == null || !qv.getAllMembers().containsKey(peer.getMyId())) {
            runStandalone(main, cfg);
            return;
        }
        peer.setTickTime(Integer.parseInt(p.getProperty("tickTime", "3000").trim()));
        peer.setInitLimit(Integer.parseInt(p.getProperty("initLimit", "10").trim()));
        peer.setMinSessionTimeout(Integer.parseInt(p.getProperty("minSessionTimeout", String.valueOf(2 * peer.getTickTime())).trim()));
        peer.setMaxSessionTimeout(Integer.parseInt(p.getProperty("maxSessionTimeout", String.valueOf(20 * peer.getTickTime())).trim()));
        peer.setSyncLimit(Integer.parseInt(p.getProperty("syncLimit", "5").trim()));
        if (client != null) {
            ServerCnxnFactory f = ServerCnxnFactory.createFactory();
            f.configure(client, 60, -1, false);
            set(peer, "cnxnFactory", f);
        }
        PRESET.put(peer, cfg);
        DATA.put(peer, data);
        set(main, "quorumPeer", peer);
        peer.start();
        peer.join();
    }

    // ---- quorum peers ----

    public static void peerStart(QuorumPeer peer) {
        if (peer.getClass() != QuorumPeer.class) {
            throw new Unsupported("server class replaced by the test: " + peer.getClass().getName());
        }
        try {
            ServerCnxnFactory f = (ServerCnxnFactory) get(peer, "cnxnFactory");
            InetSocketAddress client = f == null ? null : ADDR.get(f);
            File cfg = PRESET.get(peer);
            if (cfg == null) {
                cfg = peerConfig(peer, client, f);
            }
            Sut s = new Sut("peer" + peer.getMyId(), cfg, client, false);
            SUTS.put(peer, s);
            s.start();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static File peerConfig(QuorumPeer peer, InetSocketAddress client, ServerCnxnFactory f) throws IOException {
        FileTxnSnapLog log = (FileTxnSnapLog) get(peer, "logFactory");
        if (get(peer, "secureCnxnFactory") != null) {
            throw new Unsupported("secure factory set on a peer object");
        }
        File data = log.getSnapDir().getParentFile();
        DATA.put(peer, data);
        TreeMap<String, String> m = new TreeMap<>(Sut.forwarded());
        m.put("dataDir", data.getAbsolutePath());
        m.put("dataLogDir", log.getDataLogDir().getParentFile().getAbsolutePath());
        m.put("tickTime", String.valueOf(peer.getTickTime()));
        m.put("initLimit", String.valueOf(peer.getInitLimit()));
        m.put("syncLimit", String.valueOf(peer.getSyncLimit()));
        m.put("connectToLearnerMasterLimit", String.valueOf(peer.getConnectToLearnerMasterLimit()));
        if (f != null) {
            m.put("maxClientCnxns", String.valueOf(Math.max(0, f.getMaxClientCnxnsPerHost())));
        }
        int min = (Integer) get(peer, "minSessionTimeout");
        int max = (Integer) get(peer, "maxSessionTimeout");
        if (min > 0) {
            m.put("minSessionTimeout", String.valueOf(min));
        }
        if (max > 0) {
            m.put("maxSessionTimeout", String.valueOf(max));
        }
        m.put("localSessionsEnabled", String.valueOf(peer.areLocalSessionsEnabled()));
        m.put("localSessionsUpgradingEnabled", String.valueOf(peer.isLocalSessionsUpgradingEnabled()));
        m.put("syncEnabled", String.valueOf(peer.getSyncEnabled()));
        m.put("reconfigEnabled", String.valueOf(peer.isReconfigEnabled()));
        m.put("standaloneEnabled", String.valueOf(QuorumPeerConfig.isStandaloneEnabled()));
        if (peer.getQuorumListenOnAllIPs()) {
            m.put("quorumListenOnAllIPs", "true");
        }
        if (peer.getLearnerType() == QuorumPeer.LearnerType.OBSERVER) {
            m.put("peerType", "observer");
        }
        if (peer.isSslQuorum()) {
            m.put("sslQuorum", "true");
        }
        if (peer.shouldUsePortUnification()) {
            m.put("portUnification", "true");
        }
        if (peer.getObserverMasterPort() > 0) {
            m.put("observerMasterPort", String.valueOf(peer.getObserverMasterPort()));
        }
        QuorumVerifier qv = (QuorumVerifier) get(peer, "quorumVerifier");
        if (qv instanceof QuorumOracleMaj && ((QuorumOracleMaj) qv).getOraclePath() != null) {
            m.put("oraclePath", ((QuorumOracleMaj) qv).getOraclePath());
        }
        StringBuilder tail = new StringBuilder();
        boolean own = false;
        for (String l : qv.toString().split("\n")) {
            if (!l.startsWith("version=")) {
                tail.append(l).append('\n');
                own |= l.startsWith("server." + peer.getMyId() + "=") && l.contains(";");
            }
        }
        if (!own && client != null) {
            m.put("clientPort", String.valueOf(client.getPort()));
        }
        Path myid = data.toPath().resolve("myid");
        if (!Files.exists(myid)) {
            Files.writeString(myid, peer.getMyId() + "\n");
        }
        return write(Sut.freshDir("peer" + peer.getMyId() + "cfg"), m, tail.toString());
    }

    public static void peerRun(QuorumPeer peer) {
        Sut s = SUTS.get(peer);
        try {
            if (s != null) {
                s.waitFor();
            }
        } catch (InterruptedException e) {
            s.stop();
        }
    }

    public static void peerStop(QuorumPeer peer) {
        Sut s = SUTS.get(peer);
        if (s != null) {
            s.stop();
        }
    }

    public static boolean known(Object o) {
        return SUTS.containsKey(o);
    }

    public static boolean running(Object o) {
        return SUTS.get(o).alive();
    }

    public static long zxid(Object o) {
        return SUTS.get(o).zxid();
    }

    public static QuorumPeer.ServerState peerState(QuorumPeer peer) {
        String m = SUTS.get(peer).mode();
        if (m != null) {
            switch (m) {
            case "leader":
                return QuorumPeer.ServerState.LEADING;
            case "follower":
                return QuorumPeer.ServerState.FOLLOWING;
            case "observer":
                return QuorumPeer.ServerState.OBSERVING;
            default:
                break;
            }
        }
        return QuorumPeer.ServerState.LOOKING;
    }

    public static long epoch(QuorumPeer peer, String file) throws IOException {
        return Long.parseLong(Files.readString(DATA.get(peer).toPath().resolve("version-2").resolve(file)).trim());
    }

    public static FileTxnSnapLog txnFactory(QuorumPeer peer) {
        try {
            FileTxnSnapLog l = (FileTxnSnapLog) get(peer, "logFactory");
            if (l == null) {
                l = new FileTxnSnapLog(DATA.get(peer), DATA.get(peer));
                set(peer, "logFactory", l);
            }
            return l;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    public static boolean liveForTest(QuorumPeer peer) {
        return SUTS.containsKey(peer) && fromTest();
    }

    public static QuorumVerifier verifier(QuorumPeer peer) {
        String t = SUTS.get(peer).word("conf", 2000);
        int i = t == null ? -1 : t.indexOf("membership:");
        if (i < 0) {
            throw new Unsupported("configuration of a server that is not serving");
        }
        try {
            Properties p = new Properties();
            for (String l : t.substring(i).split("\n")) {
                int e = l.indexOf('=');
                if (e > 0) {
                    p.setProperty(l.substring(0, e), l.substring(e + 1).trim());
                }
            }
            return QuorumPeerConfig.parseDynamicConfig(p, 3, false, false, null);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    public static Object role(QuorumPeer peer, String field, Object real) {
        Sut s = SUTS.get(peer);
        if (s == null) {
            return real;
        }
        QuorumPeer.ServerState want = field.equals("leader") ? QuorumPeer.ServerState.LEADING
                : field.equals("follower") ? QuorumPeer.ServerState.FOLLOWING : QuorumPeer.ServerState.OBSERVING;
        if (peerState(peer) != want) {
            return null;
        }
        String key = field + System.identityHashCode(peer);
        synchronized (DUMMY) {
            for (Map.Entry<Object, Object> e : DUMMY.entrySet()) {
                if (e.getKey().equals(key)) {
                    return e.getValue();
                }
            }
            try {
                Class<?> c = Class.forName(Z + "server.quorum." + Character.toUpperCase(field.charAt(0)) + field.substring(1));
                Field u = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
                u.setAccessible(true);
                Object unsafe = u.get(null);
                Object d = unsafe.getClass().getMethod("allocateInstance", Class.class).invoke(unsafe, c);
                DUMMY.put(key, d);
                return d;
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /** Asks the server itself, over the wire (checkWatches), whether a session of the test holds a watch. */
    public static boolean serverHasWatch(Object test, long session, String path, int type) throws Exception {
        for (Class<?> c = test.getClass(); c != null; c = c.getSuperclass()) {
            for (Field f : c.getDeclaredFields()) {
                if (!ZooKeeper.class.isAssignableFrom(f.getType())) {
                    continue;
                }
                f.setAccessible(true);
                ZooKeeper zk = (ZooKeeper) f.get(test);
                if (zk == null || zk.getSessionId() != session) {
                    continue;
                }
                RequestHeader h = new RequestHeader();
                h.setType(ZooDefs.OpCode.checkWatches);
                Object cnxn = get(zk, "cnxn");
                Method m = null;
                for (Method x : cnxn.getClass().getMethods()) {
                    if (x.getName().equals("submitRequest") && x.getParameterCount() == 4) {
                        m = x;
                    }
                }
                m.setAccessible(true);
                ReplyHeader r = (ReplyHeader) m.invoke(cnxn, h, new CheckWatchesRequest(path, type), null, null);
                if (r.getErr() == 0) {
                    return true;
                }
                if (r.getErr() == KeeperException.Code.NOWATCHER.intValue()) {
                    return false;
                }
                throw KeeperException.create(KeeperException.Code.get(r.getErr()));
            }
        }
        throw new Unsupported("no client of session 0x" + Long.toHexString(session));
    }

    // ---- metrics, from the servers' own `mntr` ----

    public static Map<String, Object> metrics() {
        List<Sut> live;
        synchronized (Sut.LIVE) {
            live = new ArrayList<>(Sut.LIVE);
        }
        Map<String, Object> all = new HashMap<>();
        for (Sut s : live) {
            String t = s.word("mntr", 3000);
            if (t == null) {
                continue;
            }
            for (String l : t.split("\n")) {
                int tab = l.indexOf('\t');
                if (tab < 0 || !l.startsWith("zk_")) {
                    continue;
                }
                String k = l.substring(3, tab);
                String v = l.substring(tab + 1).trim();
                try {
                    if (v.contains(".")) {
                        all.merge(k, Double.valueOf(v), (x, y) -> ((Number) x).doubleValue() + ((Number) y).doubleValue());
                    } else {
                        all.merge(k, Long.valueOf(v), (x, y) -> ((Number) x).longValue() + ((Number) y).longValue());
                    }
                } catch (NumberFormatException e) {
                    all.put(k, v);
                }
            }
        }
        return new Trace.Metrics(all);
    }
}
