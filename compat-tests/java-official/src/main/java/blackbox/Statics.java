package blackbox;

import java.util.Map;
import java.util.TreeMap;
import org.apache.zookeeper.server.SyncRequestProcessor;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/** Server switches which tests flip through static setters, and their zoo.cfg names. */
final class Statics {
    private static Map<String, String> base;

    private Statics() {
    }

    static synchronized void snapshot() {
        base = now();
    }

    private static Map<String, String> now() {
        Map<String, String> m = new TreeMap<>();
        m.put("snapCount", String.valueOf(SyncRequestProcessor.getSnapCount()));
        m.put("enableEagerACLCheck", String.valueOf(ZooKeeperServer.isEnableEagerACLCheck()));
        m.put("closeSessionTxn.enabled", String.valueOf(ZooKeeperServer.isCloseSessionTxnEnabled()));
        m.put("digest.enabled", String.valueOf(ZooKeeperServer.isDigestEnabled()));
        m.put("serializeLastProcessedZxid.enabled", String.valueOf(ZooKeeperServer.isSerializeLastProcessedZxidEnabled()));
        m.put("throttledOpWaitTime", String.valueOf(ZooKeeperServer.getThrottledOpWaitTime()));
        m.put("reconfigEnabled", String.valueOf(QuorumPeerConfig.isReconfigEnabled()));
        m.put("standaloneEnabled", String.valueOf(QuorumPeerConfig.isStandaloneEnabled()));
        return m;
    }

    static synchronized Map<String, String> changed() {
        Map<String, String> m = new TreeMap<>();
        for (Map.Entry<String, String> e : now().entrySet()) {
            if (base == null || !e.getValue().equals(base.get(e.getKey()))) {
                String k = e.getKey().equals("throttledOpWaitTime") ? "throttled_op_wait_time" : e.getKey();
                m.put(k, e.getValue());
            }
        }
        return m;
    }
}
