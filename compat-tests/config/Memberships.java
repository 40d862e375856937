import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/**
 * What the official server makes of the lines of an ensemble. Each line of standard input is a text, with \n between its
 * lines; each line of standard output is the answer: the text as it is written, or "refuses".
 */
public final class Memberships {
    public static void main(String[] args) throws Exception {
        System.setProperty("zookeeper.multiAddress.enabled", "true");
        QuorumPeerConfig.setStandaloneEnabled(false);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            System.out.println(verdict(line.replace("\\n", "\n")));
        }
    }

    private static String verdict(String text) {
        try {
            Properties lines = new Properties();
            lines.load(new StringReader(text));
            return QuorumPeerConfig.parseDynamicConfig(lines, 3, false, false, null).toString().replace("\n", "\\n");
        } catch (Exception problem) {
            return "refuses";
        }
    }
}
