package blackbox;

/** Raised when a test reaches for something that only exists inside an in-JVM server. */
public final class Unsupported extends Error {
    public static volatile String last;

    public Unsupported(String what) {
        super("not black-box: " + what);
        if (last == null) {
            last = what;
        }
    }
}
