import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Properties;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/**
 * What the official parser says to configurations. Each line of standard input is one, with \n between its lines; each
 * line of standard output is the answer: "takes", or "refuses" and the reason.
 */
public final class Verdicts {
    public static void main(String[] args) throws Exception {
        File file = new File(args[0]);
        Properties before = new Properties();
        before.putAll(System.getProperties());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.ISO_8859_1));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String text = line.replace("\\n", "\n");
            Files.write(file.toPath(), text.getBytes(StandardCharsets.ISO_8859_1));
            // Some of what it reads it keeps in the process.
            System.setProperties((Properties) before.clone());
            QuorumPeerConfig.setStandaloneEnabled(true);
            QuorumPeerConfig.setReconfigEnabled(false);
            System.out.println(verdict(file.getPath()));
        }
    }

    private static String verdict(String path) {
        try {
            new QuorumPeerConfig().parse(path);
            return "takes";
        } catch (Throwable problem) {
            Throwable cause = problem;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return "refuses " + cause.toString().replaceAll("\\s+", " ");
        }
    }
}
