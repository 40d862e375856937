package oxkeeper;

import java.io.BufferedReader;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * `oxkeeper testing`: a line of JSON for each line that it is told. It ends when its standard input does, so also with this process. The binary
 * is the one that the property oxkeeper.binary or the variable OXKEEPER names, or the one in PATH.
 */
public final class Process implements Closeable {
    private final java.lang.Process process;
    private final BufferedReader out;
    private final OutputStream in;

    public Process(List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>();
        String binary = System.getProperty("oxkeeper.binary", System.getenv("OXKEEPER"));
        command.add(binary == null ? "oxkeeper" : binary);
        command.add("testing");
        command.addAll(arguments);
        process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        in = process.getOutputStream();
        try {
            answer();
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    /** Tells it something. An exception says what it could not do. */
    public synchronized void tell(String command) throws IOException {
        in.write((command + "\n").getBytes(StandardCharsets.UTF_8));
        in.flush();
        answer();
    }

    private void answer() throws IOException {
        String line = out.readLine();
        if (line == null) {
            throw new IOException("oxkeeper has ended");
        }
        // What is answered elsewhere is not asked here: there is an error, or there is none.
        if (line.startsWith("{\"error\":")) {
            throw new IOException(line.substring("{\"error\":".length() + 1, line.length() - 2));
        }
    }

    /** Ends it, with its ports. More than once does no harm. */
    @Override
    public synchronized void close() throws IOException {
        try {
            in.close();
        } catch (IOException e) {
            // It has ended by itself.
        }
        try {
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
        out.close();
    }

    /** Removes a directory with all that is in it. */
    public static void remove(File directory) {
        File[] files = directory.listFiles();
        if (files != null) {
            for (File file : files) {
                remove(file);
            }
        }
        directory.delete();
    }
}
