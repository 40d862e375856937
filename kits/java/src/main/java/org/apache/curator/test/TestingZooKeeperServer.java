package org.apache.curator.test;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** A server in a process of its own: alone, or a member of an ensemble. It is started, stopped and started again with its data and its ports. */
public class TestingZooKeeperServer implements Closeable {
    private final InstanceSpec spec;
    private final Collection<InstanceSpec> members;
    private oxkeeper.Process process;
    private boolean runs;
    private boolean closed;

    /** One that is alone. */
    TestingZooKeeperServer(InstanceSpec spec) {
        this(spec, Collections.<InstanceSpec>emptyList());
    }

    TestingZooKeeperServer(InstanceSpec spec, Collection<InstanceSpec> members) {
        this.spec = spec;
        this.members = new ArrayList<>(members);
    }

    public Collection<InstanceSpec> getInstanceSpecs() {
        return members.isEmpty() ? Collections.singletonList(spec) : members;
    }

    public InstanceSpec getInstanceSpec() {
        return spec;
    }

    public int getLocalPort() {
        return spec.getPort();
    }

    /** Starts it; nothing is done to one that runs. */
    public synchronized void start() throws Exception {
        if (closed) {
            throw new IllegalStateException("it is closed");
        }
        if (runs) {
            return;
        }
        File configuration = configuration();
        if (process == null) {
            process = new oxkeeper.Process(Collections.singletonList("--config=" + configuration));
        } else {
            process.tell("restart");
        }
        runs = true;
    }

    private File configuration() throws IOException {
        File data = spec.getDataDirectory();
        Files.createDirectories(data.toPath());
        List<String> lines = new ArrayList<>();
        lines.add("dataDir=" + data.getAbsolutePath());
        lines.add("clientPort=" + spec.getPort());
        lines.add("clientPortAddress=" + spec.getHostname());
        lines.add("tickTime=" + (spec.getTickTime() > 0 ? spec.getTickTime() : 500));
        lines.add("maxSessionTimeout=" + 60_000);
        lines.add("admin.enableServer=false");
        lines.add("forceSync=no");
        lines.add("preAllocSize=64");
        if (spec.getMaxClientCnxns() >= 0) {
            lines.add("maxClientCnxns=" + spec.getMaxClientCnxns());
        }
        if (!members.isEmpty()) {
            lines.add("initLimit=10");
            lines.add("syncLimit=5");
            for (InstanceSpec member : members) {
                lines.add("server." + member.getServerId() + "=" + member.getHostname() + ":" + member.getQuorumPort() + ":" + member.getElectionPort());
            }
            Files.write(new File(data, "myid").toPath(), (spec.getServerId() + "\n").getBytes(StandardCharsets.UTF_8));
        }
        // What a server in this JVM would see.
        for (String name : System.getProperties().stringPropertyNames()) {
            if (name.startsWith("zookeeper.") || name.startsWith("znode.container.")) {
                set(lines, name.replaceFirst("^zookeeper\\.", ""), System.getProperty(name));
            }
        }
        for (Map.Entry<String, Object> property : spec.getCustomProperties().entrySet()) {
            set(lines, property.getKey(), property.getValue());
        }
        File file = new File(data, "zoo.cfg");
        Files.write(file.toPath(), lines, StandardCharsets.UTF_8);
        return file;
    }

    private static void set(List<String> lines, String key, Object value) {
        lines.removeIf(line -> line.startsWith(key + "="));
        lines.add(key + "=" + value);
    }

    /** Stops it; data and ports stay. */
    public synchronized void stop() throws IOException {
        end("stop");
    }

    /** The same without a word to anybody. */
    public synchronized void kill() {
        try {
            end("kill");
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private void end(String how) throws IOException {
        if (runs) {
            runs = false;
            process.tell(how);
        }
    }

    /** Starts it with the data and the ports that it had; one that runs is stopped first. */
    public synchronized void restart() throws Exception {
        if (closed) {
            throw new IllegalStateException("it is closed");
        }
        stop();
        start();
    }

    /** Ends it, with its data unless its specification keeps that. */
    @Override
    public synchronized void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        runs = false;
        if (process != null) {
            process.close();
        }
        if (spec.deleteDataDirectoryOnClose()) {
            oxkeeper.Process.remove(spec.getDataDirectory());
        }
    }
}
