package apps;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Control port inside an application JVM, so that client work needs no JVM of its own.
 * One request line (tab separated words) per connection, one answer line: "OK ..." or "ERR ...".
 *
 * java apps.Agent PORT HANDLER_CLASS MAIN_CLASS [args of the main class]
 */
public final class Agent {
    public interface Handler {
        String handle(String[] words) throws Exception;
    }

    public static void main(String[] a) throws Exception {
        int port = Integer.parseInt(a[0]);
        Handler h = (Handler) Class.forName(a[1]).getDeclaredConstructor().newInstance();
        ServerSocket ss = new ServerSocket(port, 50, InetAddress.getByName("127.0.0.1"));
        Thread t = new Thread(() -> accept(ss, h), "app-agent");
        t.setDaemon(true);
        t.start();
        if (a.length > 2 && !a[2].equals("-")) {
            Class.forName(a[2]).getMethod("main", String[].class)
                .invoke(null, (Object) Arrays.copyOfRange(a, 3, a.length));
        } else {
            Thread.currentThread().join();
        }
    }

    private static void accept(ServerSocket ss, Handler h) {
        while (true) {
            try {
                Socket s = ss.accept();
                Thread t = new Thread(() -> serve(s, h), "app-call");
                t.setDaemon(true);
                t.start();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }
    }

    private static void serve(Socket s, Handler h) {
        try (s) {
            BufferedReader r = new BufferedReader(new InputStreamReader(s.getInputStream(), StandardCharsets.UTF_8));
            String line = r.readLine();
            if (line == null) {
                return;
            }
            String out;
            try {
                String v = h.handle(line.split("\t", -1));
                out = "OK " + (v == null ? "" : v);
            } catch (Throwable e) {
                e.printStackTrace();
                Throwable c = e;
                StringBuilder b = new StringBuilder("ERR");
                for (int i = 0; c != null && i < 4; i++, c = c.getCause()) {
                    b.append(' ').append(c.getClass().getSimpleName()).append(": ").append(c.getMessage()).append(';');
                }
                out = b.toString();
            }
            OutputStream o = s.getOutputStream();
            o.write((out.replace('\n', ' ').replace('\r', ' ') + "\n").getBytes(StandardCharsets.UTF_8));
            o.flush();
        } catch (Exception e) {
            e.printStackTrace();
        }
    }
}
