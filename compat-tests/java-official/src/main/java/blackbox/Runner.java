package blackbox;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Chooses tests, gives every test class a JVM of its own, gathers the results. */
public final class Runner {
    private record Entry(double secs, String area) {
    }

    private record Job(String cls, List<String> methods, double cost, int limit) {
    }

    private static Path home;
    private static Path out;
    private static Path data;
    private static int heap;
    private static final AtomicInteger SLOT = new AtomicInteger((int) (ProcessHandle.current().pid() * 7 % 30));
    private static final Map<String, String[]> RESULTS = new TreeMap<>();
    private static int inJvm;
    private static int started;

    private Runner() {
    }

    public static void main(String[] a) throws Exception {
        home = Path.of(System.getProperty("blackbox.home"));
        Map<String, String> o = new LinkedHashMap<>();
        for (int i = 0; i + 1 < a.length; i += 2) {
            o.put(a[i], a[i + 1]);
        }
        int jobs = Integer.parseInt(o.getOrDefault("--jobs", "2"));
        int limit = Integer.parseInt(o.getOrDefault("--limit", "0"));
        double cap = Double.parseDouble(o.getOrDefault("--max-seconds", "0"));
        out = Path.of(o.get("--out")).toAbsolutePath();
        data = Path.of(o.get("--data")).toAbsolutePath();
        heap = Integer.parseInt(o.getOrDefault("--heap", "256"));
        Map<String, Entry> known = tsv(home.resolve("tests.tsv"));
        List<String> pick = new ArrayList<>();
        if (o.containsKey("--tests")) {
            String t = o.get("--tests");
            List<String> items = t.startsWith("@") ? Files.readAllLines(Path.of(t.substring(1))) : List.of(t.split(","));
            for (String s : items) {
                s = s.trim();
                if (s.isEmpty() || s.startsWith("#")) {
                    continue;
                }
                if (s.contains("#") && s.startsWith("org.")) {
                    pick.add(s);
                    continue;
                }
                String c = s.contains("#") ? s.substring(0, s.indexOf('#')) : s;
                String m = s.contains("#") ? s.substring(s.indexOf('#') + 1) : null;
                for (String k : known.keySet()) {
                    String kc = k.substring(0, k.indexOf('#'));
                    if ((kc.equals(c) || kc.endsWith("." + c)) && (m == null || k.endsWith("#" + m))) {
                        pick.add(k);
                    }
                }
            }
        } else {
            pick.addAll(known.keySet());
        }
        if (pick.isEmpty()) {
            System.err.println("no test chosen");
            System.out.println("0 passed, 0 failed, 0 skipped");
            System.exit(2);
        }
        Map<String, List<String>> by = new LinkedHashMap<>();
        for (String k : new LinkedHashSet<>(pick)) {
            by.computeIfAbsent(k.substring(0, k.indexOf('#')), x -> new ArrayList<>()).add(k.substring(k.indexOf('#') + 1));
        }
        List<Job> all = new ArrayList<>();
        by.forEach((c, ms) -> {
            double cost = 0;
            double top = 0;
            for (String m : ms) {
                Entry e = known.get(c + "#" + m);
                double s = e == null ? 5 : e.secs;
                cost += s;
                top = Math.max(top, s);
            }
            all.add(new Job(c, ms, cost, limit > 0 ? limit : (int) Math.max(60, 3 * top + 30)));
        });
        if (!"given".equals(o.get("--order"))) {
            all.sort(Comparator.comparingDouble((Job j) -> -j.cost));
        }
        ConcurrentLinkedQueue<Job> q = new ConcurrentLinkedQueue<>(all);
        long t0 = System.nanoTime();
        List<Thread> ts = new ArrayList<>();
        for (int i = 0; i < jobs; i++) {
            Thread t = new Thread(() -> {
                for (Job j = q.poll(); j != null; j = q.poll()) {
                    if (cap > 0 && (System.nanoTime() - t0) / 1e9 > cap) {
                        for (String m : j.methods) {
                            put(j.cls + "#" + m, "SKIP", "0", "run time cap reached");
                        }
                        continue;
                    }
                    try {
                        run(j);
                    } catch (Exception e) {
                        e.printStackTrace();
                    }
                }
            });
            t.start();
            ts.add(t);
        }
        for (Thread t : ts) {
            t.join();
        }
        int p = 0;
        int f = 0;
        int s = 0;
        StringBuilder sb = new StringBuilder("test\tresult\tseconds\tarea\treason\n");
        for (Map.Entry<String, String[]> e : RESULTS.entrySet()) {
            String[] r = e.getValue();
            Entry k = known.get(e.getKey());
            sb.append(e.getKey()).append('\t').append(r[0]).append('\t').append(r[1]).append('\t')
                    .append(k == null ? "-" : k.area).append('\t').append(r[2]).append('\n');
            if (r[0].equals("PASS")) {
                p++;
            } else if (r[0].equals("SKIP")) {
                s++;
            } else {
                f++;
                System.out.println("FAILED " + e.getKey() + "  " + r[2]);
            }
        }
        Files.writeString(out.resolve("results.tsv"), sb.toString());
        System.out.printf("classes %d, server processes started %d, in-JVM server starts %d, wall %.0f s, results in %s%n",
                all.size(), started, inJvm, (System.nanoTime() - t0) / 1e9, out.resolve("results.tsv"));
        System.out.println(p + " passed, " + f + " failed, " + s + " skipped");
        System.exit(f == 0 && p > 0 ? 0 : 1);
    }

    private static Map<String, Entry> tsv(Path p) throws IOException {
        Map<String, Entry> m = new LinkedHashMap<>();
        if (Files.exists(p)) {
            for (String l : Files.readAllLines(p)) {
                String[] c = l.split("\t", -1);
                if (!l.startsWith("#") && c.length >= 4 && c[0].contains("#")) {
                    m.put(c[0], new Entry(Double.parseDouble(c[2]), c[3]));
                }
            }
        }
        return m;
    }

    private static synchronized void put(String k, String st, String s, String why) {
        RESULTS.put(k, new String[] {st, s, why});
    }

    private static void run(Job j) throws Exception {
        List<String> left = new ArrayList<>(j.methods);
        Set<String> again = new HashSet<>();
        // Each round has a result for a test, or one that it is run again for, or is the last.
        for (int tries = 1; !left.isEmpty(); tries++) {
            int slot = SLOT.getAndIncrement();
            String stem = j.cls.substring(j.cls.lastIndexOf('.') + 1) + (tries > 1 ? "." + tries : "");
            Path dir = out.resolve(stem + "-" + Integer.toHexString(j.cls.hashCode() & 0xfff));
            Path work = Files.createDirectories(dir.resolve("work"));
            if (!Files.exists(work.resolve("src"))) {
                Path res = Files.createDirectories(work.resolve("src/test/resources"));
                Files.createSymbolicLink(res.resolve("data"), data);
            }
            Path res = dir.resolve("res.tsv");
            List<String> cmd = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java", "-Xmx" + heap + "m", "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1", "-javaagent:" + home.resolve("target/blackbox.jar"), "-Dblackbox.out=" + dir,
                    "-Dblackbox.slot=" + slot, "-Dblackbox.trace=true", "-Dbuild.test.dir=" + work, "-Dtest.data.dir=" + data, "-Dbuild.data.dir=" + work,
                    "--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED",
                    "-cp", home.resolve("target/blackbox.jar") + File.pathSeparator + home.resolve("target/lib") + "/*",
                    "blackbox.ClassMain", j.cls, String.join(",", left), res.toString(), String.valueOf(j.limit)));
            Process p = new ProcessBuilder(cmd).directory(work.toFile()).redirectErrorStream(true)
                    .redirectOutput(dir.resolve("out").toFile()).start();
            boolean ended = p.waitFor((long) (j.limit + 25) * left.size() + 60, TimeUnit.SECONDS);
            if (!ended) {
                p.destroyForcibly();
                p.waitFor();
            }
            reap(dir.resolve("pids"));
            boolean moves = false;
            if (Files.exists(res)) {
                for (String l : Files.readAllLines(res)) {
                    String[] c = l.split("\t", -1);
                    if (c[0].startsWith("@") && c.length >= 4) {
                        if (hasMissedItsEvent(j.cls, c[1], c[3]) && again.add(c[0])) {
                            System.out.println("once more " + j.cls + "#" + c[0].substring(1) + "  " + c[3]);
                            moves = true;
                            continue;
                        }
                        put(j.cls + "#" + c[0].substring(1), c[1], c[2], c[3]);
                        moves |= left.remove(c[0].substring(1));
                    } else if (c[0].equals("#jvm")) {
                        synchronized (Runner.class) {
                            started += Integer.parseInt(c[2].substring(c[2].indexOf('=') + 1));
                            inJvm += Integer.parseInt(c[3].substring(c[3].indexOf('=') + 1));
                        }
                    }
                }
            }
            if (!moves) {
                for (String m : left) {
                    put(j.cls + "#" + m, "FAIL", "0", "test JVM gave no result, exit " + p.exitValue());
                }
                left.clear();
            }
            wipe(work);
        }
    }

    /**
     * A race of the official tests: their watcher takes each event but SyncConnected for the end of the connection. With
     * SASL, SaslAuthenticated comes right behind SyncConnected; where both are there before the test's thread looks, it
     * waits until its time-out with a client that is connected all the while. Such a test gets a second chance, and no third.
     */
    private static boolean hasMissedItsEvent(String cls, String result, String why) {
        return result.equals("FAIL") && cls.contains("Sasl") && why.equals("java.util.concurrent.TimeoutException: Failed to connect to"
                + " ZooKeeper server: connected(false), syncConnected(false), readOnlyConnected(false)");
    }

    /** Ends the server processes that a test JVM left behind: only ones it started itself. */
    private static void reap(Path pids) throws Exception {
        if (!Files.exists(pids)) {
            return;
        }
        for (String l : Files.readAllLines(pids)) {
            String[] c = l.split(" ");
            ProcessHandle.of(Long.parseLong(c[0])).ifPresent(h -> {
                long t = h.info().startInstant().map(x -> x.toEpochMilli()).orElse(-1L);
                if (t == Long.parseLong(c[1])) {
                    h.destroyForcibly();
                }
            });
        }
    }

    private static void wipe(Path d) {
        try (var s = Files.walk(d)) {
            s.sorted(Comparator.reverseOrder()).forEach(x -> x.toFile().delete());
        } catch (Exception e) {
            // leftovers do no harm
        }
    }
}
