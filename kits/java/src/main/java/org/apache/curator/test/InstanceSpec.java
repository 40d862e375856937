package org.apache.curator.test;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** How a server is to be. What is -1 or null is found: ports, a directory, a number. */
public class InstanceSpec {
    private static final AtomicInteger NEXT_ID = new AtomicInteger(1);
    private static final String LOCALHOST = "127.0.0.1";

    private final File dataDirectory;
    private final int port;
    private final int electionPort;
    private final int quorumPort;
    private final boolean deleteDataDirectoryOnClose;
    private final int serverId;
    private final int tickTime;
    private final int maxClientCnxns;
    private final Map<String, Object> customProperties;
    private final String hostname;

    /** Numbers begin with 1 again. */
    public static void reset() {
        NEXT_ID.set(1);
    }

    public static InstanceSpec newInstanceSpec() {
        return new InstanceSpec(null, -1, -1, -1, true, -1);
    }

    /** A port of the loopback that nobody has. */
    public static int getRandomPort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(LOCALHOST))) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot find a free port", e);
        }
    }

    public InstanceSpec(File dataDirectory, int port, int electionPort, int quorumPort, boolean deleteDataDirectoryOnClose, int serverId) {
        this(dataDirectory, port, electionPort, quorumPort, deleteDataDirectoryOnClose, serverId, -1, -1);
    }

    public InstanceSpec(File dataDirectory, int port, int electionPort, int quorumPort, boolean deleteDataDirectoryOnClose, int serverId,
            int tickTime, int maxClientCnxns) {
        this(dataDirectory, port, electionPort, quorumPort, deleteDataDirectoryOnClose, serverId, tickTime, maxClientCnxns, null);
    }

    public InstanceSpec(File dataDirectory, int port, int electionPort, int quorumPort, boolean deleteDataDirectoryOnClose, int serverId,
            int tickTime, int maxClientCnxns, Map<String, Object> customProperties) {
        this(dataDirectory, port, electionPort, quorumPort, deleteDataDirectoryOnClose, serverId, tickTime, maxClientCnxns, customProperties, null);
    }

    public InstanceSpec(File dataDirectory, int port, int electionPort, int quorumPort, boolean deleteDataDirectoryOnClose, int serverId,
            int tickTime, int maxClientCnxns, Map<String, Object> customProperties, String hostname) {
        this.dataDirectory = dataDirectory != null ? dataDirectory : made();
        this.port = port >= 0 ? port : getRandomPort();
        this.electionPort = electionPort >= 0 ? electionPort : getRandomPort();
        this.quorumPort = quorumPort >= 0 ? quorumPort : getRandomPort();
        this.deleteDataDirectoryOnClose = deleteDataDirectoryOnClose;
        this.serverId = serverId >= 0 ? serverId : NEXT_ID.getAndIncrement();
        this.tickTime = tickTime > 0 ? tickTime : -1;
        this.maxClientCnxns = maxClientCnxns >= 0 ? maxClientCnxns : -1;
        this.customProperties = customProperties == null
                ? Collections.<String, Object>emptyMap() : Collections.unmodifiableMap(new LinkedHashMap<>(customProperties));
        this.hostname = hostname == null ? LOCALHOST : hostname;
    }

    private static File made() {
        try {
            return Files.createTempDirectory("oxkeeper").toFile();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make a directory", e);
        }
    }

    public int getServerId() {
        return serverId;
    }

    public File getDataDirectory() {
        return dataDirectory;
    }

    public int getPort() {
        return port;
    }

    public int getElectionPort() {
        return electionPort;
    }

    public int getQuorumPort() {
        return quorumPort;
    }

    public String getConnectString() {
        return hostname + ":" + port;
    }

    /** In ms; -1 for the default. */
    public int getTickTime() {
        return tickTime;
    }

    /** -1 for the default. */
    public int getMaxClientCnxns() {
        return maxClientCnxns;
    }

    public boolean deleteDataDirectoryOnClose() {
        return deleteDataDirectoryOnClose;
    }

    /** Settings of zoo.cfg. */
    public Map<String, Object> getCustomProperties() {
        return customProperties;
    }

    public String getHostname() {
        return hostname;
    }

    @Override
    public String toString() {
        return "InstanceSpec{" + getConnectString() + ", server." + serverId + "=" + hostname + ":" + quorumPort + ":" + electionPort
                + ", dataDirectory=" + dataDirectory + ", customProperties=" + customProperties + "}";
    }

    /** Two of one address are one. */
    @Override
    public boolean equals(Object other) {
        return other instanceof InstanceSpec && getConnectString().equals(((InstanceSpec) other).getConnectString());
    }

    @Override
    public int hashCode() {
        return getConnectString().hashCode();
    }
}
