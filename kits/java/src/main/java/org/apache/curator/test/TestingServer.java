package org.apache.curator.test;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;

/** A server that is alone, on loopback. It serves when it is started, and ends with this process at the latest. */
public class TestingServer implements Closeable {
    private final InstanceSpec spec;
    private final TestingZooKeeperServer server;

    /** On a free port, started. */
    public TestingServer() throws Exception {
        this(-1, null);
    }

    public TestingServer(boolean start) throws Exception {
        this(InstanceSpec.newInstanceSpec(), start);
    }

    public TestingServer(int port) throws Exception {
        this(port, null);
    }

    public TestingServer(int port, boolean start) throws Exception {
        this(port, null, start);
    }

    /** Its data is in that directory, which goes with it. */
    public TestingServer(int port, File tempDirectory) throws Exception {
        this(port, tempDirectory, true);
    }

    public TestingServer(int port, File tempDirectory, boolean start) throws Exception {
        this(new InstanceSpec(tempDirectory, port > 0 ? port : -1, -1, -1, true, -1), start);
    }

    public TestingServer(InstanceSpec spec, boolean start) throws Exception {
        this.spec = spec;
        this.server = new TestingZooKeeperServer(spec);
        if (start) {
            server.start();
        }
    }

    public int getPort() {
        return spec.getPort();
    }

    /** Where the data is. */
    public File getTempDirectory() {
        return spec.getDataDirectory();
    }

    /** Nothing is done to one that runs. */
    public void start() throws Exception {
        server.start();
    }

    /** Stops it; data and port stay. */
    public void stop() throws IOException {
        server.stop();
    }

    /** Starts it with the data and the port that it had; one that runs is stopped first. */
    public void restart() throws Exception {
        server.restart();
    }

    /** Ends it, with its data unless its specification keeps that. */
    @Override
    public void close() throws IOException {
        server.close();
    }

    public String getConnectString() {
        return spec.getConnectString();
    }
}
