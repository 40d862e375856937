package org.apache.curator.test;

import java.io.Closeable;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.zookeeper.ZooKeeper;

/** An ensemble on loopback, each member in a process of its own. When it is started its members run, and find together by themselves. */
public class TestingCluster implements Closeable {
    private final List<TestingZooKeeperServer> servers = new ArrayList<>();

    public TestingCluster(int instanceQty) {
        this(makeSpecs(instanceQty));
    }

    public TestingCluster(InstanceSpec... specs) {
        this(Arrays.asList(specs));
    }

    public TestingCluster(Collection<InstanceSpec> specs) {
        this(together(specs));
    }

    /** Each member, and those that it knows of. */
    public TestingCluster(Map<InstanceSpec, Collection<InstanceSpec>> specs) {
        for (Map.Entry<InstanceSpec, Collection<InstanceSpec>> entry : specs.entrySet()) {
            servers.add(new TestingZooKeeperServer(entry.getKey(), entry.getValue()));
        }
    }

    private static Map<InstanceSpec, Collection<InstanceSpec>> together(Collection<InstanceSpec> specs) {
        Map<InstanceSpec, Collection<InstanceSpec>> all = new LinkedHashMap<>();
        for (InstanceSpec spec : specs) {
            all.put(spec, specs);
        }
        return all;
    }

    public static Map<InstanceSpec, Collection<InstanceSpec>> makeSpecs(int instanceQty) {
        return makeSpecs(instanceQty, true);
    }

    /** So many members that know of each other, numbered from 1 if that is wanted. */
    public static Map<InstanceSpec, Collection<InstanceSpec>> makeSpecs(int instanceQty, boolean resetServerIds) {
        if (resetServerIds) {
            InstanceSpec.reset();
        }
        List<InstanceSpec> specs = new ArrayList<>();
        for (int i = 0; i < instanceQty; i++) {
            specs.add(InstanceSpec.newInstanceSpec());
        }
        return together(specs);
    }

    public Collection<InstanceSpec> getInstances() {
        return servers.stream().map(TestingZooKeeperServer::getInstanceSpec).collect(Collectors.toList());
    }

    public List<TestingZooKeeperServer> getServers() {
        return new ArrayList<>(servers);
    }

    public String getConnectString() {
        return servers.stream().map(server -> server.getInstanceSpec().getConnectString()).collect(Collectors.joining(","));
    }

    public void start() throws Exception {
        for (TestingZooKeeperServer server : servers) {
            server.start();
        }
    }

    /** Stops all members; their data and ports stay. */
    public void stop() throws IOException {
        for (TestingZooKeeperServer server : servers) {
            server.stop();
        }
    }

    @Override
    public void close() throws IOException {
        for (TestingZooKeeperServer server : servers) {
            server.close();
        }
    }

    /** Ends a member without a word to anybody. False: there is none of that address. */
    public boolean killServer(InstanceSpec instance) throws Exception {
        TestingZooKeeperServer server = find(instance);
        if (server != null) {
            server.kill();
        }
        return server != null;
    }

    /** Starts a member with its data and its ports; one that runs is stopped first. False: there is none of that address. */
    public boolean restartServer(InstanceSpec instance) throws Exception {
        TestingZooKeeperServer server = find(instance);
        if (server != null) {
            server.restart();
        }
        return server != null;
    }

    private TestingZooKeeperServer find(InstanceSpec instance) {
        return servers.stream().filter(server -> server.getInstanceSpec().equals(instance)).findFirst().orElse(null);
    }

    /** The member that a client is connected with; null where there is none. */
    public InstanceSpec findConnectionInstance(ZooKeeper client) throws Exception {
        Method remote = ZooKeeper.class.getDeclaredMethod("testableRemoteSocketAddress");
        remote.setAccessible(true);
        InetSocketAddress address = (InetSocketAddress) remote.invoke(client);
        if (address == null) {
            return null;
        }
        return getInstances().stream().filter(spec -> spec.getPort() == address.getPort()).findFirst().orElse(null);
    }
}
