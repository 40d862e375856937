package blackbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** What each test asked of its servers: processes started, four-letter words sent, metrics read. One line each in `trace`. */
final class Trace {
    private static final Set<String> SEEN = new HashSet<>();
    private static volatile String test = "(set-up of the class)";

    private Trace() {
    }

    static void begin(String method) {
        test = method;
    }

    static synchronized void note(String kind, String what) {
        String line = test + "\t" + kind + "\t" + what + "\n";
        if (!SEEN.add(line)) {
            return;
        }
        try {
            Files.writeString(Path.of(System.getProperty("blackbox.out", ".")).resolve("trace"), line,
                    StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            e.printStackTrace();
        }
    }

    /** Metrics of which each one that is looked up is noted. */
    static final class Metrics extends HashMap<String, Object> {
        Metrics(Map<String, Object> m) {
            super(m);
        }

        @Override
        public Object get(Object key) {
            note("mntr", String.valueOf(key));
            return super.get(key);
        }

        @Override
        public Object getOrDefault(Object key, Object other) {
            note("mntr", String.valueOf(key));
            return super.getOrDefault(key, other);
        }

        @Override
        public boolean containsKey(Object key) {
            note("mntr", String.valueOf(key));
            return super.containsKey(key);
        }
    }
}
