package blackbox;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;

/** Free ports below the ephemeral range; each JVM of a run gets its own slice. */
public final class Ports {
    private static final int LO = 11000;
    private static final int HI = 32000;
    private static int next;
    private static boolean seeded;

    private Ports() {
    }

    public static synchronized int next() {
        if (!seeded) {
            int slot = Integer.getInteger("blackbox.slot", 0);
            next = LO + Math.floorMod(slot * 700 + (int) (ProcessHandle.current().pid() % 23) * 30, HI - LO);
            seeded = true;
        }
        for (int i = 0; i < HI - LO; i++) {
            int p = next++;
            if (next >= HI) {
                next = LO;
            }
            if (free(p)) {
                return p;
            }
        }
        throw new IllegalStateException("no free port");
    }

    private static boolean free(int p) {
        try (ServerSocket any = new ServerSocket()) {
            any.setReuseAddress(true);
            any.bind(new InetSocketAddress(p));
        } catch (java.io.IOException e) {
            return false;
        }
        try (ServerSocket lo = new ServerSocket()) {
            lo.setReuseAddress(true);
            lo.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), p));
            return true;
        } catch (java.io.IOException e) {
            return false;
        }
    }
}
