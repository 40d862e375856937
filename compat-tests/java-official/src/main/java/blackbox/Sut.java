package blackbox;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** One server process under test: its zoo.cfg, its life, its four-letter-word answers. */
final class Sut {
    static final Path OUT = Path.of(System.getProperty("blackbox.out", "."));
    private static final String EXE = System.getenv("SUT");
    private static final int START_MS = Integer.parseInt(System.getenv().getOrDefault("SUT_START_TIMEOUT_MS", "30000"));
    private static final AtomicInteger SEQ = new AtomicInteger();
    static final List<Sut> LIVE = new ArrayList<>();
    static final AtomicInteger STARTED = new AtomicInteger();
    /** Properties that only steer the Java client and never belong in a server's configuration. */
    private static final List<String> CLIENT_ONLY = List.of("zookeeper.client.secure", "zookeeper.clientCnxnSocket",
            "zookeeper.request.timeout", "zookeeper.disableAutoWatchReset", "zookeeper.sasl.client",
            "zookeeper.sasl.clientconfig", "zookeeper.sasl.client.username", "zookeeper.kinit", "zookeeper.server.principal");
    /** Server settings which Apache reads from a plain (unprefixed) JVM property. */
    private static final List<String> UNPREFIXED = List.of("jute.maxbuffer", "jute.maxbuffer.extrasize", "readonlymode.enabled",
            "java.security.auth.login.config", "java.security.krb5.conf", "fsync.warningthresholdms",
            "znode.container.checkIntervalMs", "znode.container.maxPerMinute", "znode.container.maxNeverUsedIntervalMs",
            "sun.security.krb5.debug", "javax.security.auth.useSubjectCredsOnly", "com.sun.net.ssl.checkRevocation",
            "com.sun.security.enableCRLDP", "ocsp.enable");

    private static final String JAAS = "java.security.auth.login.config";

    final String name;
    final File cfg;
    final InetSocketAddress client;
    final boolean secure;
    private final Map<String, String> jvm = new TreeMap<>();
    private Process proc;
    private Path log;

    Sut(String name, File cfg, InetSocketAddress client, boolean secure) {
        this.name = name;
        this.cfg = cfg;
        this.client = client;
        this.secure = secure;
        for (String k : UNPREFIXED) {
            String v = System.getProperty(k);
            if (v != null) {
                jvm.put(k, v);
            }
        }
        String jaas = jaasFile();
        if (jaas != null) {
            jvm.put(JAAS, jaas);
        }
    }

    static Path freshDir(String stem) throws IOException {
        Path d = Files.createDirectories(OUT.resolve("sut").resolve(stem + "-" + SEQ.incrementAndGet()));
        return d;
    }

    /** Everything the test told its own JVM about the server, as zoo.cfg keys. */
    static Map<String, String> forwarded() {
        Map<String, String> m = new TreeMap<>();
        for (String k : System.getProperties().stringPropertyNames()) {
            if (k.startsWith("zookeeper.") && !CLIENT_ONLY.contains(k)) {
                m.put(k.substring("zookeeper.".length()), System.getProperty(k));
            } else if (UNPREFIXED.contains(k)) {
                m.put(k, System.getProperty(k));
            }
        }
        String jaas = jaasFile();
        if (jaas != null) {
            m.put(JAAS, jaas);
        }
        m.putAll(Statics.changed());
        if ("true".equals(m.get("client.portUnification")) && !m.containsKey("authProvider.x509")) {
            // Apache registers this one by itself only next to a secureClientPort
            m.put("authProvider.x509", "org.apache.zookeeper.server.auth.X509AuthenticationProvider");
        }
        return m;
    }

    /** The login configuration which a test installed as an object, written out as a file; null if there is none. */
    private static String jaasFile() {
        try {
            javax.security.auth.login.Configuration c = javax.security.auth.login.Configuration.getConfiguration();
            if (!c.getClass().getName().equals("org.apache.zookeeper.JaasConfiguration")) {
                return null;
            }
            StringBuilder sb = new StringBuilder();
            for (java.lang.reflect.Field f : c.getClass().getDeclaredFields()) {
                f.setAccessible(true);
                if (!(f.get(c) instanceof Map)) {
                    continue;
                }
                for (Object name : ((Map<?, ?>) f.get(c)).keySet()) {
                    sb.append(name).append(" {\n");
                    for (javax.security.auth.login.AppConfigurationEntry e : c.getAppConfigurationEntry((String) name)) {
                        sb.append("  ").append(e.getLoginModuleName()).append(" required");
                        e.getOptions().forEach((k, v) -> sb.append("\n    ").append(k).append("=\"").append(v).append('"'));
                        sb.append(";\n");
                    }
                    sb.append("};\n");
                }
            }
            Path p = OUT.resolve("jaas-" + Integer.toHexString(sb.toString().hashCode()) + ".conf");
            Files.writeString(p, sb);
            return p.toString();
        } catch (SecurityException e) {
            return null;
        } catch (ReflectiveOperationException | IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static String line(String k, String v) {
        return k + "=" + v.replace("\\", "\\\\") + "\n";
    }

    /** Adds the forwarded settings that the file does not state itself. */
    static void complete(File cfg) throws IOException {
        Properties have = new Properties();
        try (java.io.InputStream in = Files.newInputStream(cfg.toPath())) {
            have.load(in);
        }
        StringBuilder sb = new StringBuilder();
        for (Map.Entry<String, String> e : forwarded().entrySet()) {
            if (!have.containsKey(e.getKey())) {
                sb.append(line(e.getKey(), e.getValue()));
            }
        }
        Files.writeString(cfg.toPath(), "\n" + sb, StandardOpenOption.APPEND);
    }

    synchronized void start() throws IOException {
        if (EXE == null || EXE.isEmpty()) {
            throw new IllegalStateException("SUT is not set");
        }
        Path dir = freshDir(name);
        log = dir.resolve("log");
        ProcessBuilder pb = new ProcessBuilder(List.of(EXE, cfg.getAbsolutePath()));
        pb.redirectErrorStream(true).redirectOutput(log.toFile()).directory(dir.toFile());
        StringBuilder d = new StringBuilder(System.getenv().getOrDefault("ZKPROPS", ""));
        for (Map.Entry<String, String> e : jvm.entrySet()) {
            d.append(" -D").append(e.getKey()).append('=').append(e.getValue());
        }
        pb.environment().put("ZKPROPS", d.toString());
        pb.environment().put("SERVER_JVMFLAGS", d.toString());
        proc = pb.start();
        STARTED.incrementAndGet();
        synchronized (LIVE) {
            Trace.note("start", name + (secure ? " secure" : "") + " as number " + (LIVE.stream().filter(Sut::alive).count() + 1) + " alive, " + OUT.relativize(dir));
        }
        Files.copy(cfg.toPath(), dir.resolve("zoo.cfg.started"));
        ProcessHandle.Info i = proc.info();
        Files.writeString(OUT.resolve("pids"), proc.pid() + " " + i.startInstant().map(t -> t.toEpochMilli()).orElse(0L) + "\n",
                StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        synchronized (LIVE) {
            LIVE.add(this);
        }
    }

    /** Blocks until the process answers on its client port, dies, or takes too long. */
    boolean awaitUp() throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(START_MS);
        while (System.nanoTime() < end && proc.isAlive()) {
            if (client == null) {
                return true;
            }
            if (secure) {
                try (Socket s = new Socket()) {
                    s.connect(target(), 1000);
                    return true;
                } catch (IOException e) {
                    // not yet
                }
            } else {
                String r = word("srvr", 1000);
                if (r != null && (r.contains("Mode:") || r.contains("not in the whitelist"))) {
                    return true;
                }
            }
            Thread.sleep(40);
        }
        return false;
    }

    boolean alive() {
        Process p = proc;
        return p != null && p.isAlive();
    }

    int waitFor() throws InterruptedException {
        Process p = proc;
        return p == null ? 0 : p.waitFor();
    }

    void stop() {
        Process p = proc;
        synchronized (LIVE) {
            LIVE.remove(this);
        }
        if (p == null) {
            return;
        }
        p.destroy();
        boolean cut = Thread.interrupted();
        try {
            if (!p.waitFor(6, TimeUnit.SECONDS)) {
                p.destroyForcibly();
                p.waitFor(6, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            p.destroyForcibly();
            cut = true;
        }
        if (cut) {
            Thread.currentThread().interrupt();
        }
    }

    static void stopAll() {
        List<Sut> all;
        synchronized (LIVE) {
            all = new ArrayList<>(LIVE);
        }
        for (Sut s : all) {
            s.stop();
        }
    }

    private InetSocketAddress target() {
        InetAddress a = client.getAddress();
        if (a == null || a.isAnyLocalAddress()) {
            return new InetSocketAddress(InetAddress.getLoopbackAddress(), client.getPort());
        }
        return client;
    }

    String word(String w, int ms) {
        if (client == null || secure || !alive()) {
            return null;
        }
        try (Socket s = new Socket()) {
            s.connect(target(), ms);
            s.setSoTimeout(ms);
            s.getOutputStream().write(w.getBytes(StandardCharsets.US_ASCII));
            s.getOutputStream().flush();
            return new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return null;
        }
    }

    private static String field(String text, String key) {
        if (text != null) {
            for (String l : text.split("\n")) {
                if (l.startsWith(key)) {
                    return l.substring(key.length()).trim();
                }
            }
        }
        return null;
    }

    String mode() {
        return field(word("srvr", 2000), "Mode:");
    }

    long zxid() {
        String z = field(word("srvr", 2000), "Zxid:");
        if (z == null) {
            throw new Unsupported("zxid of a server that is not serving");
        }
        return Long.parseUnsignedLong(z.substring(2), 16);
    }
}
