package curator;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.WatcherRemoveCuratorFramework;
import org.apache.curator.framework.api.ACLProvider;
import org.apache.curator.framework.api.CuratorEvent;
import org.apache.curator.framework.api.transaction.CuratorOp;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.CachedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicValue;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/** Curator's framework calls and recipes, as cases (see judge.py). env ZK: host:port; CONTROL: stops and starts the server. */
public final class Calls {
    private static final String ZK = System.getenv("ZK");
    private static final ExecutorService POOL = Executors.newCachedThreadPool(r -> {
        Thread t = new Thread(r);
        t.setDaemon(true);
        return t;
    });

    private interface Case {
        void run(CuratorFramework c) throws Exception;
    }

    private interface Check {
        boolean get() throws Exception;
    }

    private Calls() {
    }

    // ---- output ----

    private static synchronized void say(Object... words) {
        System.out.println(Arrays.stream(words).map(Calls::show).collect(Collectors.joining(" ")));
        System.out.flush();
    }

    private static String show(Object v) {
        if (v instanceof byte[] b) {
            return b.length > 80 ? b.length + " bytes" : "\"" + new String(b) + "\"";
        }
        if (v instanceof Stat s) {
            return String.format("stat(c=%d m=%d p=%d v=%d cv=%d av=%d owner=%s len=%d kids=%d)", s.getCzxid(), s.getMzxid(), s.getPzxid(),
                    s.getVersion(), s.getCversion(), s.getAversion(), s.getEphemeralOwner() == 0 ? "0" : String.format("0x%016x", s.getEphemeralOwner()),
                    s.getDataLength(), s.getNumChildren());
        }
        if (v instanceof List<?> l && !l.isEmpty() && l.get(0) instanceof String) {
            return new TreeSet<>(l).toString();
        }
        if (v instanceof List<?> l) {
            return l.stream().map(Calls::show).collect(Collectors.joining(", ", "(", ")"));
        }
        if (v instanceof ACL a) {
            return a.getPerms() + ":" + a.getId().getScheme() + ":" + a.getId().getId();
        }
        if (v instanceof CuratorTransactionResult r) {
            return r.getType() + " " + r.getForPath() + " " + r.getResultPath() + " " + show(r.getResultStat()) + " " + r.getError();
        }
        if (v instanceof WatchedEvent e) {
            return e.getType() + " " + e.getState() + " " + e.getPath();
        }
        return String.valueOf(v);
    }

    private static void attempt(String what, Callable<?> c) {
        try {
            say(what, "->", c.call());
        } catch (KeeperException e) {
            String more = e.getResults() == null ? "" : e.getResults().stream()
                    .map(r -> r instanceof org.apache.zookeeper.OpResult.ErrorResult x ? String.valueOf(x.getErr()) : "ok")
                    .collect(Collectors.joining(",", " [", "]"));
            say(what, "-> raised", e.code() + " " + e.getPath() + more);
        } catch (Exception e) {
            say(what, "-> raised", e.getClass().getSimpleName(), e.getMessage());
        }
    }

    private static void until(String what, Check c) throws Exception {
        until(what, 10, c);
    }

    private static void until(String what, int seconds, Check c) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (System.nanoTime() < end) {
            if (c.get()) {
                say(what, "yes");
                return;
            }
            Thread.sleep(25);
        }
        say(what, "NO, not within", seconds, "s");
    }

    private static byte[] b(String s) {
        return s.getBytes();
    }

    private static CuratorFrameworkFactory.Builder builder() {
        return CuratorFrameworkFactory.builder().connectString(ZK).sessionTimeoutMs(10000).connectionTimeoutMs(5000)
                .retryPolicy(new ExponentialBackoffRetry(100, 3));
    }

    private static CuratorFramework connect() throws Exception {
        return started(builder().build());
    }

    private static CuratorFramework started(CuratorFramework c) throws Exception {
        c.start();
        if (!c.blockUntilConnected(15, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no connection");
        }
        return c;
    }

    private static void control(String word) throws Exception {
        try (Socket s = new Socket("127.0.0.1", Integer.parseInt(System.getenv("CONTROL")))) {
            s.getOutputStream().write(b(word + "\n"));
            String a = new BufferedReader(new InputStreamReader(s.getInputStream())).readLine();
            if (!"ok".equals(a)) {
                throw new IllegalStateException(word + ": " + a);
            }
        }
    }

    /** Events in the order of arrival. */
    private static final class Events implements Watcher {
        final BlockingQueue<String> seen = new LinkedBlockingQueue<>();

        @Override
        public void process(WatchedEvent e) {
            if (e.getType() != Event.EventType.None) {
                seen.add(show(e));
            }
        }

        void expect(int n) throws Exception {
            List<String> got = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                String s = seen.poll(5, TimeUnit.SECONDS);
                got.add(s == null ? "nothing within 5 s" : s);
            }
            String more = seen.poll(60, TimeUnit.MILLISECONDS);
            say("events", got.stream().sorted().collect(Collectors.joining(", ")), more == null ? "" : "and too many: " + more);
        }
    }

    // ---- the framework ----

    private static void lifecycle(CuratorFramework z) throws Exception {
        CuratorFramework c = builder().build();
        say(c.getState(), c.isStarted());
        c.start();
        c.blockUntilConnected();
        say(c.getState(), c.isStarted(), c.getZookeeperClient().isConnected(), c.getZookeeperCompatibility().hasPersistentWatchers(),
                c.getSchemaSet() != null, c.getConnectionStateErrorPolicy().getClass().getSimpleName(), c.getCurrentConfig().getAllMembers(),
                c.compressionEnabled(), c.getZookeeperClient().getZooKeeper().getSessionTimeout());
        c.clearWatcherReferences(e -> { });
        c.postSafeNotify(c).get(5, TimeUnit.SECONDS);
        c.runSafe(() -> { }).get(5, TimeUnit.SECONDS);
        c.close();
        say(c.getState());
        attempt("after close", () -> c.checkExists().forPath("/"));
    }

    private static void create(CuratorFramework c) throws Exception {
        attempt("create", () -> c.create().forPath("/c", b("one")));
        attempt("again", () -> c.create().forPath("/c"));
        attempt("orSetData", () -> c.create().orSetData().forPath("/c", b("two")));
        attempt("no parent", () -> c.create().forPath("/none/x"));
        attempt("creatingParentsIfNeeded", () -> c.create().creatingParentsIfNeeded().forPath("/c/a/b", b("x")));
        attempt("creatingParentContainersIfNeeded", () -> c.create().creatingParentContainersIfNeeded().forPath("/c/k/b", b("x")));
        for (CreateMode m : CreateMode.values()) {
            attempt(m.name(), () -> m.isTTL() ? c.create().withTtl(3600000).withMode(m).forPath("/c/" + m, b(m.name()))
                    : c.create().withMode(m).forPath("/c/" + m, b(m.name())));
        }
        attempt("storingStatIn", () -> {
            Stat s = new Stat();
            c.create().storingStatIn(s).forPath("/c/stat", b("x"));
            return s;
        });
        attempt("withProtection", () -> c.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/c/p-").replaceAll(".*-", ""));
        attempt("idempotent", () -> c.create().idempotent().forPath("/c/idem", b("x")));
        attempt("idempotent again", () -> c.create().idempotent().forPath("/c/idem", b("x")));
        attempt("idempotent, other data", () -> c.create().idempotent().forPath("/c/idem", b("y")));
        attempt("compressed", () -> c.create().compressed().forPath("/c/zip", b("x".repeat(1000))));
        attempt("decompressed", () -> c.getData().decompressed().forPath("/c/zip").length);
        BlockingQueue<CuratorEvent> q = new LinkedBlockingQueue<>();
        c.create().inBackground((f, e) -> q.add(e)).forPath("/c/bg", b("x"));
        CuratorEvent e = q.poll(5, TimeUnit.SECONDS);
        say("inBackground", e.getType(), e.getResultCode(), e.getPath(), e.getName());
        c.create().inBackground((f, x) -> q.add(x)).forPath("/c/bg", b("x"));
        say("inBackground again", q.poll(5, TimeUnit.SECONDS).getResultCode());
        c.createContainers("/c/containers/deep");
        attempt("createContainers", () -> c.checkExists().forPath("/c/containers/deep"));
        attempt("children", () -> c.getChildren().forPath("/c").stream().filter(x -> !x.startsWith("_c_")).collect(Collectors.toList()));
        attempt("parent", () -> c.checkExists().forPath("/c"));
        attempt("ttl 0", () -> c.create().withTtl(0).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/c/ttl0"));
    }

    private static void readAndWrite(CuratorFramework c) throws Exception {
        c.create().forPath("/d", b("0"));
        attempt("getData", () -> c.getData().forPath("/d"));
        attempt("getData none", () -> c.getData().forPath("/none"));
        Stat s = new Stat();
        attempt("storingStatIn", () -> show(c.getData().storingStatIn(s).forPath("/d")) + show(s));
        attempt("setData", () -> c.setData().forPath("/d", b("1")));
        attempt("right version", () -> c.setData().withVersion(1).forPath("/d", b("2")));
        attempt("wrong version", () -> c.setData().withVersion(1).forPath("/d", b("3")));
        attempt("idempotent", () -> c.setData().idempotent().withVersion(1).forPath("/d", b("2")));
        attempt("compressed", () -> c.setData().compressed().forPath("/d", b("x".repeat(500))).getDataLength() > 0);
        attempt("none", () -> c.setData().forPath("/none", b("1")));
        attempt("checkExists", () -> c.checkExists().forPath("/d"));
        attempt("checkExists none", () -> c.checkExists().forPath("/none"));
        attempt("checkExists makes parents", () -> c.checkExists().creatingParentsIfNeeded().forPath("/d/e/f"));
        attempt("checkExists made them", () -> c.checkExists().forPath("/d/e"));
        attempt("getChildren", () -> c.getChildren().storingStatIn(s).forPath("/d") + show(s));
        attempt("getChildren none", () -> c.getChildren().forPath("/none"));
        attempt("delete not empty", () -> c.delete().forPath("/d"));
        attempt("delete wrong version", () -> c.delete().withVersion(5).forPath("/d/e"));
        attempt("guaranteed", () -> c.delete().guaranteed().forPath("/d/e"));
        attempt("quietly", () -> c.delete().quietly().forPath("/d/e"));
        attempt("none", () -> c.delete().forPath("/d/e"));
        c.create().creatingParentsIfNeeded().forPath("/d/x/y/z");
        attempt("deletingChildrenIfNeeded", () -> c.delete().deletingChildrenIfNeeded().forPath("/d"));
        attempt("sync", () -> c.sync().forPath("/"));
        CountDownLatch synced = new CountDownLatch(1);
        c.getCuratorListenable().addListener((f, e) -> synced.countDown());
        c.sync("/", "context");
        say("sync in the background", synced.await(5, TimeUnit.SECONDS));
        attempt("EnsurePath", () -> {
            c.newNamespaceAwareEnsurePath("/ensured/path").ensure(c.getZookeeperClient());
            return c.checkExists().forPath("/ensured/path");
        });
        c.getUnhandledErrorListenable().addListener((m, t) -> say("unhandled", m));
    }

    private static void acls(CuratorFramework c) throws Exception {
        attempt("root", () -> c.getACL().forPath("/"));
        CuratorFramework a = started(builder().authorization("digest", b("alice:secret")).aclProvider(new ACLProvider() {
            @Override
            public List<ACL> getDefaultAcl() {
                return ZooDefs.Ids.CREATOR_ALL_ACL;
            }

            @Override
            public List<ACL> getAclForPath(String p) {
                return getDefaultAcl();
            }
        }).build());
        attempt("create", () -> a.create().forPath("/mine", b("x")));
        attempt("acl", () -> a.getACL().forPath("/mine"));
        attempt("others", () -> c.getData().forPath("/mine"));
        attempt("others' acl", () -> c.getACL().forPath("/mine"));
        List<ACL> both = List.of(new ACL(ZooDefs.Perms.READ, ZooDefs.Ids.ANYONE_ID_UNSAFE),
                new ACL(ZooDefs.Perms.ALL, new Id("digest", DigestAuthenticationProvider.generateDigest("alice:secret"))));
        attempt("wrong version", () -> a.setACL().withVersion(9).withACL(both).forPath("/mine"));
        attempt("right version", () -> a.setACL().withVersion(0).withACL(both).forPath("/mine"));
        attempt("others", () -> c.getData().forPath("/mine"));
        attempt("others write", () -> c.setData().forPath("/mine", b("y")));
        attempt("withACL", () -> a.create().withACL(ZooDefs.Ids.READ_ACL_UNSAFE).forPath("/read", b("x")));
        attempt("nobody may create below", () -> a.create().forPath("/read/x"));
        attempt("parents with ACL", () -> a.create().creatingParentsIfNeeded().withACL(both, true).forPath("/with/acl"));
        attempt("its parent", () -> a.getACL().forPath("/with"));
        a.close();
    }

    private static void transactions(CuratorFramework c) throws Exception {
        c.create().forPath("/t");
        CuratorOp create = c.transactionOp().create().forPath("/t/a", b("1"));
        attempt("all kinds", () -> c.transaction().forOperations(create, c.transactionOp().check().withVersion(0).forPath("/t/a"),
                c.transactionOp().setData().withVersion(0).forPath("/t/a", b("2")), c.transactionOp().delete().withVersion(1).forPath("/t/a")));
        attempt("second fails", () -> c.transaction().forOperations(create, create));
        attempt("check fails", () -> c.transaction().forOperations(create, c.transactionOp().check().withVersion(5).forPath("/t"), create));
        attempt("modes", () -> c.transaction().forOperations(
                c.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/t/s-"),
                c.transactionOp().create().withMode(CreateMode.EPHEMERAL).forPath("/t/e"),
                c.transactionOp().create().withMode(CreateMode.CONTAINER).forPath("/t/k"),
                c.transactionOp().create().withTtl(3600000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/t/ttl")));
        attempt("the old way", () -> new ArrayList<>(c.inTransaction().create().forPath("/t/old", b("x")).and().setData().forPath("/t/old", b("y"))
                .and().check().forPath("/t/old").and().commit()));
        BlockingQueue<CuratorEvent> q = new LinkedBlockingQueue<>();
        c.transaction().inBackground((f, e) -> q.add(e)).forOperations(create);
        CuratorEvent e = q.poll(5, TimeUnit.SECONDS);
        say("inBackground", e.getType(), e.getResultCode(), e.getOpResults());
        attempt("children", () -> c.getChildren().forPath("/t"));
        attempt("stat", () -> c.checkExists().forPath("/t"));
    }

    private static void namespaces(CuratorFramework c) throws Exception {
        CuratorFramework n = c.usingNamespace("space");
        say(n.getNamespace(), c.getNamespace().isEmpty());
        attempt("create", () -> n.create().forPath("/x", b("1")));
        attempt("outside", () -> c.getData().forPath("/space/x"));
        attempt("nonNamespaceView", () -> n.nonNamespaceView().getData().forPath("/space/x"));
        Events seen = new Events();
        n.getData().usingWatcher(seen).forPath("/x");
        n.setData().forPath("/x", b("2"));
        seen.expect(1);
    }

    private static void reconfig(CuratorFramework c) throws Exception {
        attempt("getConfig", () -> c.getConfig().forEnsemble());
        attempt("joining", () -> c.reconfig().joining("server.1=localhost:1:2;3").forEnsemble());
        attempt("withNewMembers", () -> c.reconfig().withNewMembers("server.1=localhost:1:2;3").forEnsemble());
        attempt("leaving", () -> c.reconfig().leaving("1").fromConfig(5).forEnsemble());
    }

    private static void watchers(CuratorFramework c) throws Exception {
        Events seen = new Events();
        c.checkExists().usingWatcher(seen).forPath("/w");
        c.create().forPath("/w");
        seen.expect(1);
        c.getData().usingWatcher(seen).forPath("/w");
        c.setData().forPath("/w", b("1"));
        c.setData().forPath("/w", b("2"));
        seen.expect(1);
        c.getChildren().usingWatcher(seen).forPath("/w");
        c.create().forPath("/w/a");
        seen.expect(1);
        // removal: the watcher itself is told
        c.getData().usingWatcher(seen).forPath("/w");
        attempt("remove", () -> c.watches().remove(seen).forPath("/w"));
        seen.expect(1);
        c.setData().forPath("/w", b("3"));
        seen.expect(0);
        attempt("remove what is not there", () -> c.watches().remove(seen).forPath("/w"));
        c.getData().usingWatcher(seen).forPath("/w");
        c.getChildren().usingWatcher(seen).forPath("/w");
        attempt("removeAll children", () -> c.watches().removeAll().ofType(Watcher.WatcherType.Children).forPath("/w"));
        attempt("removeAll data", () -> c.watches().removeAll().ofType(Watcher.WatcherType.Data).locally().forPath("/w"));
        seen.expect(2);
        // persistent
        attempt("persistent", () -> c.watchers().add().withMode(AddWatchMode.PERSISTENT).usingWatcher(seen).forPath("/w"));
        c.setData().forPath("/w", b("4"));
        c.setData().forPath("/w", b("5"));
        c.create().forPath("/w/b");
        c.create().forPath("/w/b/c");
        seen.expect(3);
        attempt("remove persistent", () -> c.watchers().remove(seen).ofType(Watcher.WatcherType.Any).forPath("/w"));
        seen.expect(1);
        attempt("recursive", () -> c.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE).usingWatcher(seen).forPath("/w"));
        c.setData().forPath("/w/b/c", b("1"));
        c.create().forPath("/w/b/c/d");
        c.delete().deletingChildrenIfNeeded().forPath("/w/b");
        seen.expect(5);
        WatcherRemoveCuratorFramework r = c.newWatcherRemoveCuratorFramework();
        r.getData().usingWatcher(seen).forPath("/w");
        r.removeWatchers();                    // of any kind: the recursive one goes with it
        seen.expect(2);
        try (PersistentWatcher p = new PersistentWatcher(c, "/pw", true)) {
            p.getListenable().addListener(seen);
            p.start();
            CountDownLatch reset = new CountDownLatch(1);
            p.getResetListenable().addListener(reset::countDown);
            reset.await(5, TimeUnit.SECONDS);
            seen.seen.clear();
            c.create().creatingParentsIfNeeded().forPath("/pw/a/b");
            seen.expect(3);
        }
    }

    // ---- recipes ----

    private static void mutex(CuratorFramework c) throws Exception {
        CuratorFramework o = connect();
        InterProcessMutex a = new InterProcessMutex(c, "/mutex");
        InterProcessMutex d = new InterProcessMutex(o, "/mutex");
        a.makeRevocable(m -> say("revocation asked"));
        a.acquire();
        say(a.acquire(1, TimeUnit.SECONDS), a.isAcquiredInThisProcess(), a.isOwnedByCurrentThread(), a.getParticipantNodes().size());
        say(d.acquire(300, TimeUnit.MILLISECONDS));
        Revoker.attemptRevoke(o, a.getParticipantNodes().iterator().next());
        Thread.sleep(200);
        a.release();
        say(d.acquire(200, TimeUnit.MILLISECONDS));
        a.release();
        say(d.acquire(5, TimeUnit.SECONDS));
        d.release();
        attempt("release too often", () -> {
            d.release();
            return null;
        });
        // the lock of a session that closes is free
        InterProcessMutex lost = new InterProcessMutex(o, "/mutex");
        lost.acquire();
        o.close();
        say(a.acquire(5, TimeUnit.SECONDS));
        a.release();
        AtomicInteger in = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(4);
        for (int i = 0; i < 4; i++) {
            POOL.submit(() -> {
                try {
                    InterProcessMutex m = new InterProcessMutex(c, "/mutex");
                    for (int k = 0; k < 10; k++) {
                        m.acquire();
                        most.accumulateAndGet(in.incrementAndGet(), Math::max);
                        in.decrementAndGet();
                        m.release();
                    }
                } catch (Exception e) {
                    say(e);
                }
                done.countDown();
            });
        }
        say(done.await(30, TimeUnit.SECONDS), "at most", most.get(), "inside");
    }

    private static void otherLocks(CuratorFramework c) throws Exception {
        CuratorFramework o = connect();
        InterProcessReadWriteLock rw = new InterProcessReadWriteLock(c, "/rw");
        InterProcessReadWriteLock rw2 = new InterProcessReadWriteLock(o, "/rw");
        rw.readLock().acquire();
        say(rw2.readLock().acquire(5, TimeUnit.SECONDS), rw2.writeLock().acquire(200, TimeUnit.MILLISECONDS));
        rw.readLock().release();
        rw2.readLock().release();
        say(rw2.writeLock().acquire(5, TimeUnit.SECONDS), rw2.readLock().acquire(5, TimeUnit.SECONDS), rw.readLock().acquire(200, TimeUnit.MILLISECONDS));
        rw2.readLock().release();
        rw2.writeLock().release();
        InterProcessSemaphoreMutex s1 = new InterProcessSemaphoreMutex(c, "/semmutex");
        InterProcessSemaphoreMutex s2 = new InterProcessSemaphoreMutex(o, "/semmutex");
        s1.acquire();
        say(s2.acquire(200, TimeUnit.MILLISECONDS), s1.isAcquiredInThisProcess());
        s1.release();
        say(s2.acquire(5, TimeUnit.SECONDS));
        s2.release();
        InterProcessSemaphoreV2 sem = new InterProcessSemaphoreV2(c, "/sem", 2);
        InterProcessSemaphoreV2 sem2 = new InterProcessSemaphoreV2(o, "/sem", 2);
        List<Lease> leases = new ArrayList<>(sem.acquire(2));
        say(leases.size(), sem2.acquire(200, TimeUnit.MILLISECONDS) == null, sem.getParticipantNodes().size());
        sem.returnLease(leases.remove(0));
        Lease l = sem2.acquire(5, TimeUnit.SECONDS);
        say(l != null);
        sem.returnAll(leases);
        sem2.returnLease(l);
        try (SharedCount limit = new SharedCount(c, "/limit", 1)) {
            limit.start();
            InterProcessSemaphoreV2 v = new InterProcessSemaphoreV2(c, "/semlimit", limit);
            Lease one = v.acquire(5, TimeUnit.SECONDS);
            say(one != null, v.acquire(200, TimeUnit.MILLISECONDS) == null);
            limit.setCount(2);
            say(v.acquire(5, TimeUnit.SECONDS) != null);
        }
        InterProcessMultiLock multi = new InterProcessMultiLock(c, List.of("/m1", "/m2"));
        multi.acquire();
        say(multi.isAcquiredInThisProcess(), new InterProcessMutex(o, "/m2").acquire(200, TimeUnit.MILLISECONDS));
        multi.release();
        o.close();
    }

    private static void leaders(CuratorFramework c) throws Exception {
        CuratorFramework o = connect();
        LeaderLatch a = new LeaderLatch(c, "/latch", "a");
        LeaderLatch d = new LeaderLatch(o, "/latch", "d", LeaderLatch.CloseMode.NOTIFY_LEADER);
        a.start();
        say(a.await(5, TimeUnit.SECONDS), a.hasLeadership(), a.getState(), a.getId());
        d.start();
        until("two participants", () -> a.getParticipants().size() == 2);
        say(d.getLeader().getId(), d.getLeader().isLeader(), d.await(100, TimeUnit.MILLISECONDS));
        a.close();
        say(d.await(5, TimeUnit.SECONDS), d.getLeader().getId());
        d.close();
        List<String> order = new CopyOnWriteArrayList<>();
        CountDownLatch done = new CountDownLatch(3);
        List<LeaderSelector> all = new ArrayList<>();
        for (CuratorFramework f : List.of(c, o, c)) {
            LeaderSelector s = new LeaderSelector(f, "/selector", new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework x) throws Exception {
                    order.add("leads");
                    Thread.sleep(50);
                    order.add("ends");
                    done.countDown();
                }
            });
            s.setId("id");
            s.start();
            all.add(s);
        }
        say(done.await(10, TimeUnit.SECONDS), order.toString());
        LeaderSelector again = all.get(0);
        until("requeued", again::requeue);     // its last turn may still be ending
        until("again", () -> order.size() == 8);
        for (LeaderSelector s : all) {
            s.close();
        }
        o.close();
    }

    private static void caches(CuratorFramework c) throws Exception {
        c.create().forPath("/cache", b("0"));
        c.create().forPath("/cache/a", b("1"));
        List<String> seen = new CopyOnWriteArrayList<>();
        CountDownLatch ready = new CountDownLatch(1);
        CuratorCache cc = CuratorCache.build(c, "/cache");
        cc.listenable().addListener((type, before, now) -> seen.add(type + " " + (now == null ? before.getPath() + " gone" : now.getPath() + " " + show(now.getData()))));
        cc.listenable().addListener(org.apache.curator.framework.recipes.cache.CuratorCacheListener.builder().forInitialized(ready::countDown).build());
        cc.start();
        say(ready.await(10, TimeUnit.SECONDS), cc.size());
        NodeCache node = new NodeCache(c, "/cache/a");
        node.start(true);
        PathChildrenCache kids = new PathChildrenCache(c, "/cache", true);
        kids.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        TreeCache tree = TreeCache.newBuilder(c, "/cache").setCacheData(true).build();
        tree.start();
        say(show(node.getCurrentData().getData()), kids.getCurrentData().size());
        c.setData().forPath("/cache/a", b("2"));
        until("CuratorCache", () -> cc.get("/cache/a").map(x -> new String(x.getData())).orElse("").equals("2"));
        c.create().forPath("/cache/b", b("3"));
        c.create().forPath("/cache/b/c", b("4"));
        until("CuratorCache goes deep", () -> cc.get("/cache/b/c").isPresent());
        until("NodeCache", () -> "2".equals(new String(node.getCurrentData().getData())));
        until("PathChildrenCache", () -> kids.getCurrentData("/cache/b") != null && new String(kids.getCurrentData("/cache/a").getData()).equals("2"));
        until("TreeCache", () -> tree.getCurrentData("/cache/b/c") != null && tree.getCurrentChildren("/cache").size() == 2);
        c.delete().deletingChildrenIfNeeded().forPath("/cache/b");
        c.delete().forPath("/cache/a");
        until("CuratorCache forgets", () -> cc.get("/cache/b").isEmpty() && cc.get("/cache/a").isEmpty());
        // Listeners are called by another thread, after the cache itself has forgotten.
        until("CuratorCache tells", () -> seen.containsAll(List.of("NODE_DELETED /cache/a gone", "NODE_DELETED /cache/b gone", "NODE_DELETED /cache/b/c gone")));
        until("NodeCache forgets", () -> node.getCurrentData() == null);
        until("PathChildrenCache forgets", () -> kids.getCurrentData().isEmpty());
        until("TreeCache forgets", () -> tree.getCurrentChildren("/cache").isEmpty());
        say(new TreeSet<>(seen).toString());
        ChildData root = cc.get("/cache").orElseThrow();
        say(root.getPath(), show(root.getData()), root.getStat().getCversion());
        for (AutoCloseable x : List.of(cc, node, kids, tree)) {
            x.close();
        }
        CuratorCache one = CuratorCache.build(c, "/cache", CuratorCache.Options.SINGLE_NODE_CACHE);
        one.start();
        c.create().forPath("/cache/later");
        c.setData().forPath("/cache", b("root"));
        until("single node", () -> one.get("/cache").map(x -> new String(x.getData())).orElse("").equals("root"));
        say(one.size());
        one.close();
    }

    private static void nodes(CuratorFramework c) throws Exception {
        CuratorFramework o = connect();
        PersistentNode p = new PersistentNode(o, CreateMode.EPHEMERAL, false, "/nodes/p", b("1"), true);
        p.start();
        say(p.waitForInitialCreate(5, TimeUnit.SECONDS), p.getActualPath(), show(c.getData().forPath("/nodes/p")));
        c.delete().forPath("/nodes/p");
        until("comes back", () -> c.checkExists().forPath("/nodes/p") != null);
        p.setData(b("2"));
        until("new data", () -> new String(c.getData().forPath("/nodes/p")).equals("2"));
        p.close();
        until("gone", () -> c.checkExists().forPath("/nodes/p") == null);
        PersistentTtlNode t = new PersistentTtlNode(o, "/nodes/ttl", 400, b("ttl"));
        t.start();
        say(t.waitForInitialCreate(5, TimeUnit.SECONDS), show(c.getData().forPath("/nodes/ttl")));
        until("its child is touched", () -> c.getChildren().forPath("/nodes/ttl").size() == 1);
        Thread.sleep(900);
        say("still there", c.checkExists().forPath("/nodes/ttl") != null);
        t.close();
        GroupMember g1 = new GroupMember(c, "/group", "one", b("1"));
        GroupMember g2 = new GroupMember(o, "/group", "two", b("2"));
        g1.start();
        g2.start();
        until("both", () -> g1.getCurrentMembers().size() == 2);
        say(new TreeSet<>(g1.getCurrentMembers().keySet()).toString(), show(g1.getCurrentMembers().get("two")));
        g2.setThisData(b("22"));
        until("new data", () -> new String(g1.getCurrentMembers().get("two")).equals("22"));
        g2.close();
        until("one", () -> g1.getCurrentMembers().size() == 1);
        g1.close();
        o.close();
    }

    private static void barriers(CuratorFramework c) throws Exception {
        CuratorFramework o = connect();
        DistributedBarrier x = new DistributedBarrier(c, "/barrier");
        x.setBarrier();
        say(x.waitOnBarrier(200, TimeUnit.MILLISECONDS));
        var waits = POOL.submit(() -> new DistributedBarrier(o, "/barrier").waitOnBarrier(10, TimeUnit.SECONDS));
        Thread.sleep(100);
        x.removeBarrier();
        say(waits.get(10, TimeUnit.SECONDS), x.waitOnBarrier(1, TimeUnit.SECONDS));
        var other = POOL.submit(() -> {
            DistributedDoubleBarrier d = new DistributedDoubleBarrier(o, "/double", 2);
            return d.enter(10, TimeUnit.SECONDS) + " " + d.leave(10, TimeUnit.SECONDS);
        });
        DistributedDoubleBarrier d = new DistributedDoubleBarrier(c, "/double", 2);
        say(d.enter(10, TimeUnit.SECONDS), d.leave(10, TimeUnit.SECONDS), other.get(10, TimeUnit.SECONDS));
        say(new DistributedDoubleBarrier(c, "/alone", 2).enter(200, TimeUnit.MILLISECONDS));
        o.close();
    }

    private static void counters(CuratorFramework c) throws Exception {
        CuratorFramework o = connect();
        SharedCount s = new SharedCount(c, "/shared", 5);
        SharedCount s2 = new SharedCount(o, "/shared", 5);
        List<Integer> seen = new CopyOnWriteArrayList<>();
        s2.addListener(new SharedCountListener() {
            @Override
            public void countHasChanged(SharedCountReader r, int n) {
                seen.add(n);
            }

            @Override
            public void stateChanged(CuratorFramework f, ConnectionState st) {
            }
        });
        s.start();
        s2.start();
        say(s.getCount(), s.getVersionedValue().getVersion(), s.trySetCount(s.getVersionedValue(), 7), s.getCount());
        until("listener", () -> seen.contains(7));
        say(s2.trySetCount(s2.getVersionedValue(), 9));
        until("seen", () -> s.getCount() == 9);
        s.close();
        s2.close();
        SharedValue v = new SharedValue(c, "/value", b("seed"));
        v.start();
        say(show(v.getValue()));
        v.setValue(b("new"));
        say(show(v.getValue()), v.trySetValue(v.getVersionedValue(), b("newer")), show(v.getValue()));
        v.close();
        DistributedAtomicLong n = new DistributedAtomicLong(c, "/long", new RetryForever(10));
        say(n.initialize(3L), n.initialize(4L), n.get().postValue(), n.increment().postValue(), n.decrement().postValue(), n.add(10L).postValue(),
                n.subtract(1L).postValue(), n.compareAndSet(12L, 1L).succeeded(), n.compareAndSet(12L, 1L).succeeded(), n.trySet(50L).postValue());
        n.forceSet(60L);
        CountDownLatch done = new CountDownLatch(2);
        for (CuratorFramework f : List.of(c, o)) {
            POOL.submit(() -> {
                DistributedAtomicInteger i = new DistributedAtomicInteger(f, "/int", new RetryForever(5),
                        PromotedToLock.builder().lockPath("/intlock").retryPolicy(new RetryForever(5)).build());
                for (int k = 0; k < 25; k++) {
                    if (!i.increment().succeeded()) {
                        say("failed");
                    }
                }
                done.countDown();
                return null;
            });
        }
        say(done.await(30, TimeUnit.SECONDS), new DistributedAtomicInteger(c, "/int", new RetryForever(5)).get().postValue());
        AtomicValue<Long> next = new CachedAtomicLong(n, 10).next();
        say(next.succeeded(), next.postValue());
        DistributedAtomicValue any = new DistributedAtomicValue(c, "/any", new RetryForever(5));
        say(any.initialize(b("x")), show(any.get().postValue()), any.compareAndSet(b("x"), b("y")).succeeded());
        o.close();
    }

    private static final QueueSerializer<String> TEXT = new QueueSerializer<>() {
        @Override
        public byte[] serialize(String s) {
            return b(s);
        }

        @Override
        public String deserialize(byte[] x) {
            return new String(x);
        }
    };

    private static QueueConsumer<String> into(List<String> out) {
        return new QueueConsumer<>() {
            @Override
            public void consumeMessage(String s) {
                out.add(s);
            }

            @Override
            public void stateChanged(CuratorFramework f, ConnectionState s) {
            }
        };
    }

    private static void queues(CuratorFramework c) throws Exception {
        List<String> got = new CopyOnWriteArrayList<>();
        try (DistributedQueue<String> q = QueueBuilder.builder(c, into(got), TEXT, "/queue").buildQueue()) {
            q.start();
            q.put("1");
            q.put("2");
            q.putMulti(new org.apache.curator.framework.recipes.queue.MultiItem<>() {
                private int n;

                @Override
                public String nextItem() {
                    return n++ < 2 ? "m" + n : null;
                }
            });
            until("in order", () -> got.toString().equals("[1, 2, m1, m2]"));
        }
        got.clear();
        try (DistributedQueue<String> q = QueueBuilder.builder(c, into(got), TEXT, "/locked").lockPath("/lockedlock").buildQueue()) {
            q.start();
            q.put("safe");
            until("with a lock", () -> got.toString().equals("[safe]"));
        }
        got.clear();
        DistributedPriorityQueue<String> out = QueueBuilder.builder(c, null, TEXT, "/priority").buildPriorityQueue(1);
        out.start();
        out.put("low", 9);
        out.put("high", 1);
        out.put("mid", 5);
        out.flushPuts(5, TimeUnit.SECONDS);
        try (DistributedPriorityQueue<String> q = QueueBuilder.builder(c, into(got), TEXT, "/priority").buildPriorityQueue(1)) {
            q.start();
            until("by priority", () -> got.toString().equals("[high, mid, low]"));
        }
        out.close();
        got.clear();
        try (DistributedDelayQueue<String> q = QueueBuilder.builder(c, into(got), TEXT, "/delay").buildDelayQueue()) {
            q.start();
            long now = System.currentTimeMillis();
            q.put("later", now + 500);
            q.put("sooner", now + 100);
            until("by time", () -> got.toString().equals("[sooner, later]"));
        }
        got.clear();
        DistributedIdQueue<String> idq = QueueBuilder.builder(c, null, TEXT, "/ids").buildIdQueue();
        idq.start();
        idq.put("keep", "k");
        idq.put("drop", "d");
        idq.flushPuts(5, TimeUnit.SECONDS);
        say(idq.remove("d"), idq.remove("d"));
        try (DistributedIdQueue<String> q = QueueBuilder.builder(c, into(got), TEXT, "/ids").buildIdQueue()) {
            q.start();
            until("the other", () -> got.toString().equals("[keep]"));
        }
        idq.close();
        SimpleDistributedQueue s = new SimpleDistributedQueue(c, "/simple");
        say(s.poll(), s.offer(b("1")), s.offer(b("2")), show(s.peek()), show(s.element()), show(s.poll()), show(s.take()), s.poll(100, TimeUnit.MILLISECONDS));
        attempt("remove from nothing", () -> s.remove());
    }

    // ---- a server that goes and comes back ----

    private static void serverRestart(CuratorFramework z) throws Exception {
        CuratorFramework c = builder().retryPolicy(new RetryForever(100)).build();
        List<String> states = new CopyOnWriteArrayList<>();
        c.getConnectionStateListenable().addListener((f, s) -> states.add(s.name()));
        started(c);
        c.create().forPath("/r", b("0"));
        c.create().withMode(CreateMode.EPHEMERAL).forPath("/r/e");
        long id = c.getZookeeperClient().getZooKeeper().getSessionId();
        Events seen = new Events();
        c.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE).usingWatcher(seen).forPath("/r");
        CuratorCache cache = CuratorCache.build(c, "/r");
        cache.start();
        until("cache filled", () -> cache.get("/r/e").isPresent());
        for (String word : List.of("stop", "kill")) {
            int had = states.size();
            Events once = new Events();
            c.getData().usingWatcher(once).forPath("/r");
            control(word);
            until("suspended", () -> states.subList(had, states.size()).contains("SUSPENDED"));
            var waiting = POOL.submit(() -> show(c.setData().forPath("/r/e", b(word))));
            control("start");
            until("reconnected", 20, () -> states.subList(had, states.size()).contains("RECONNECTED"));
            waiting.get(20, TimeUnit.SECONDS);
            say("the same session:", c.getZookeeperClient().getZooKeeper().getSessionId() == id);
            seen.expect(1);
            once.expect(0);
            c.setData().forPath("/r", b(word));
            once.expect(1);
            c.create().forPath("/r/" + word);
            seen.expect(2);
            until("the cache follows", () -> cache.get("/r/" + word).isPresent());
            attempt("ephemeral", () -> c.checkExists().forPath("/r/e").getEphemeralOwner() == id);
        }
        say(states);
        cache.close();
        c.close();
        until("z is back", 20, () -> z.checkExists().forPath("/r") != null && z.checkExists().forPath("/r/e") == null);
    }

    private static void schemaAndRest(CuratorFramework c) throws Exception {
        // the framework's calls that are no operation of their own
        say(c.getSchemaSet() != null, c.getZookeeperCompatibility() != null);
    }

    private static void unused() throws Exception {
        String source;
        source = java.nio.file.Files.readString(java.nio.file.Path.of(System.getenv("SOURCE")));
        Set<String> missing = new TreeSet<>();
        for (var m : CuratorFramework.class.getMethods()) {
            if (!source.contains("." + m.getName() + "(")) {
                missing.add(m.getName());
            }
        }
        if (!missing.isEmpty()) {
            System.err.println("calls of CuratorFramework that no case uses: " + missing);
            System.exit(3);
        }
    }

    public static void main(String[] args) throws Exception {
        Object[][] cases = {
            {"lifecycle", (Case) Calls::lifecycle}, {"create", (Case) Calls::create}, {"read and write", (Case) Calls::readAndWrite},
            {"acls", (Case) Calls::acls}, {"transactions", (Case) Calls::transactions}, {"namespaces", (Case) Calls::namespaces},
            {"reconfig", (Case) Calls::reconfig}, {"watchers", (Case) Calls::watchers}, {"mutex", (Case) Calls::mutex},
            {"other locks", (Case) Calls::otherLocks}, {"leaders", (Case) Calls::leaders}, {"caches", (Case) Calls::caches},
            {"nodes", (Case) Calls::nodes}, {"barriers", (Case) Calls::barriers}, {"counters", (Case) Calls::counters},
            {"queues", (Case) Calls::queues}, {"server restart", (Case) Calls::serverRestart}, {"schema and rest", (Case) Calls::schemaAndRest}};
        List<String> only = args.length == 0 ? Collections.emptyList() : List.of(args);
        for (Object[] k : cases) {
            if (!only.isEmpty() && !only.contains(k[0])) {
                continue;
            }
            long t = System.nanoTime();
            try (CuratorFramework c = connect()) {
                say("##", k[0]);
                ((Case) k[1]).run(c);
            } catch (Exception e) {
                say("the case ended with", e);
                e.printStackTrace();
            }
            System.err.printf("%5.1f s %s%n", (System.nanoTime() - t) / 1e9, k[0]);
        }
        unused();
        System.exit(0);
    }
}
