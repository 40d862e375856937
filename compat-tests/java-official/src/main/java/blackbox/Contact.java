package blackbox;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** Whether the running test ever spoke to a server. Kept apart from Ext so that the agent can touch it while classes load. */
public final class Contact {
    /** Sessions opened and four-letter words sent since the test began. */
    public static final AtomicInteger COUNT = new AtomicInteger();
    /** Test classes which may speak to a server through plain sockets or HTTP. */
    public static final Set<String> RAW = ConcurrentHashMap.newKeySet();

    private Contact() {
    }
}
