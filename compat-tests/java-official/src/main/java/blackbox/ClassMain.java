package blackbox;

import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.Launcher;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** Runs chosen methods of one test class in this JVM and appends one line per finished method to a file. */
public final class ClassMain {
    private static final class Cur {
        String method;
        long t0;
        Thread thread;
        boolean nudged;
    }

    private static volatile Cur cur;

    private ClassMain() {
    }

    public static void main(String[] a) throws Exception {
        if (a[0].equals("--list")) {
            list(a);
            return;
        }
        Class<?> c = Class.forName(a[0]);
        Set<String> want = new HashSet<>(List.of(a[1].split(",")));
        Path res = Path.of(a[2]);
        Map<String, Integer> limit = new ConcurrentHashMap<>();
        int dflt = Integer.parseInt(a[3]);
        Statics.snapshot();
        if (System.getenv("SUT_CONNECT_MS") != null) {
            org.apache.zookeeper.test.ClientBase.CONNECTION_TIMEOUT = Integer.parseInt(System.getenv("SUT_CONNECT_MS"));
        }
        Runtime.getRuntime().addShutdownHook(new Thread(Sut::stopAll));
        Thread dog = new Thread(() -> watch(res, dflt), "blackbox-watch");
        dog.setDaemon(true);
        dog.start();
        PostDiscoveryFilter only = d -> d.getSource().map(s -> !(s instanceof MethodSource)
                || want.contains(((MethodSource) s).getMethodName())).orElse(true)
                ? FilterResult.included("") : FilterResult.excluded("");
        LauncherDiscoveryRequest req = LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClass(c)).filters(only).build();
        Launcher l = LauncherFactory.create();
        Map<String, String[]> sum = new LinkedHashMap<>();
        l.execute(req, new TestExecutionListener() {
            private TestPlan plan;

            @Override
            public void testPlanExecutionStarted(TestPlan p) {
                plan = p;
            }

            private String method(TestIdentifier t) {
                return t.getSource().filter(s -> s instanceof MethodSource).map(s -> ((MethodSource) s).getMethodName()).orElse(null);
            }

            private boolean top(TestIdentifier t) {
                return method(t) != null && plan.getParent(t).map(p -> method(p) == null).orElse(true);
            }

            @Override
            public void executionStarted(TestIdentifier t) {
                if (top(t)) {
                    Trace.begin(method(t));
                    Unsupported.last = null;
                    Contact.COUNT.set(0);
                    sum.put(method(t), new String[] {"PASS", ""});
                }
                if (t.isTest()) {
                    Cur n = new Cur();
                    n.method = method(t);
                    n.t0 = System.nanoTime();
                    n.thread = Thread.currentThread();
                    cur = n;
                }
                if (top(t)) {
                    start.put(method(t), System.nanoTime());
                }
            }

            private final Map<String, Long> start = new LinkedHashMap<>();

            @Override
            public void executionSkipped(TestIdentifier t, String why) {
                if (top(t)) {
                    emit(res, c, method(t), "SKIP", 0, why);
                } else if (method(t) == null) {
                    for (TestIdentifier k : plan.getDescendants(t)) {
                        if (top(k)) {
                            emit(res, c, method(k), "SKIP", 0, why);
                        }
                    }
                }
            }

            @Override
            public void executionFinished(TestIdentifier t, TestExecutionResult r) {
                String m = method(t);
                if (t.isTest()) {
                    cur = null;
                    Thread.interrupted();
                }
                if (m != null && sum.containsKey(m)) {
                    String[] s = sum.get(m);
                    if (r.getStatus() == TestExecutionResult.Status.FAILED) {
                        s[0] = "FAIL";
                        if (s[1].isEmpty()) {
                            Throwable x = r.getThrowable().orElse(new Throwable("?"));
                            s[1] = x.toString();
                            if (Boolean.getBoolean("blackbox.trace")) {
                                x.printStackTrace();
                            }
                        }
                    } else if (r.getStatus() == TestExecutionResult.Status.ABORTED && s[0].equals("PASS")) {
                        s[0] = "SKIP";
                        s[1] = String.valueOf(r.getThrowable().orElse(null));
                    }
                    if (top(t)) {
                        if (Unsupported.last != null) {
                            s[0] = "FAIL";
                            s[1] = "UNSUPPORTED " + Unsupported.last + " | " + s[1];
                        }
                        emit(res, c, m, s[0], (System.nanoTime() - start.get(m)) / 1e9, s[1]);
                    }
                } else if (m == null && t.getParentId().isPresent() && r.getStatus() == TestExecutionResult.Status.FAILED) {
                    String why = "class set-up or tear-down: " + r.getThrowable().orElse(null);
                    if (Unsupported.last != null) {
                        why = "UNSUPPORTED " + Unsupported.last + " | " + why;
                    }
                    for (String w : want) {
                        if (!sum.containsKey(w)) {
                            emit(res, c, w, "FAIL", 0, why);
                        }
                    }
                }
            }
        });
        Sut.stopAll();
        emitRaw(res, "#jvm\t" + c.getName() + "\tsut-started=" + Sut.STARTED.get() + "\tin-jvm-server=" + Ext.IN_JVM.get() + "\n");
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void watch(Path res, int dflt) {
        while (true) {
            try {
                Thread.sleep(500);
            } catch (InterruptedException e) {
                return;
            }
            Cur k = cur;
            if (k == null) {
                continue;
            }
            double s = (System.nanoTime() - k.t0) / 1e9;
            boolean bad = Unsupported.last != null;
            if (!k.nudged && (s > dflt || (bad && s > 1))) {
                k.nudged = true;
                k.thread.interrupt();
            }
            if (s > dflt + 15 || (bad && s > 20)) {
                String why = bad ? "UNSUPPORTED " + Unsupported.last : "time-out after " + dflt + " s";
                emitRaw(res, "@" + k.method + "\tFAIL\t" + String.format("%.1f", s) + "\t" + why + "\n");
                Sut.stopAll();
                Runtime.getRuntime().halt(3);
            }
        }
    }

    private static void emit(Path res, Class<?> c, String m, String st, double s, String why) {
        if (st.equals("PASS") && Sut.STARTED.get() == 0) {
            st = "FAIL";
            why = "NOSERVER no server process was started";
        } else if (st.equals("PASS") && Contact.COUNT.get() == 0 && Contact.RAW.stream().noneMatch(n -> n.startsWith(c.getName()))) {
            st = "FAIL";
            why = "NOCONTACT the test never spoke to a server";
        }
        String w = why == null ? "" : why.replaceAll("[\\t\\r\\n]+", " ");
        emitRaw(res, "@" + m + "\t" + st + "\t" + String.format("%.1f", s) + "\t" + (w.length() > 300 ? w.substring(0, 300) : w) + "\n");
    }

    private static synchronized void emitRaw(Path res, String l) {
        try {
            Files.writeString(res, l, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (java.io.IOException e) {
            e.printStackTrace();
        }
    }

    private static void list(String[] a) throws Exception {
        PrintStream o = System.out;
        for (int i = 1; i < a.length; i++) {
            try {
                Class<?> c = Class.forName(a[i], false, ClassMain.class.getClassLoader());
                if (java.lang.reflect.Modifier.isAbstract(c.getModifiers())) {
                    continue;
                }
                LauncherDiscoveryRequest req = LauncherDiscoveryRequestBuilder.request()
                        .selectors(DiscoverySelectors.selectClass(c)).build();
                TestPlan p = LauncherFactory.create().discover(req);
                Set<String> seen = new HashSet<>();
                List<TestIdentifier> all = new ArrayList<>();
                p.getRoots().forEach(r -> all.addAll(p.getDescendants(r)));
                for (TestIdentifier t : all) {
                    t.getSource().ifPresent(s -> {
                        if (s instanceof MethodSource && seen.add(((MethodSource) s).getMethodName())) {
                            o.println(a_class(c) + "#" + ((MethodSource) s).getMethodName());
                        }
                    });
                }
            } catch (Throwable t) {
                System.err.println(a[i] + " " + t);
            }
        }
    }

    private static String a_class(Class<?> c) {
        return c.getName();
    }
}
