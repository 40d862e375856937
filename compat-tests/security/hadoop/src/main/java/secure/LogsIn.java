package secure;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeSet;
import javax.security.auth.login.Configuration;
import org.apache.curator.framework.CuratorFramework;
import org.apache.hadoop.hbase.Abortable;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.HConstants;
import org.apache.hadoop.hbase.zookeeper.ZKAuthentication;
import org.apache.hadoop.hbase.zookeeper.ZKUtil;
import org.apache.hadoop.hbase.zookeeper.ZKWatcher;
import org.apache.hadoop.security.authentication.util.JaasConfiguration;
import org.apache.hadoop.util.curator.ZKCuratorManager;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.data.ACL;

/** What HBase's and Hadoop's own code sees that logs in with a key: see ../kerberos.py. args: hbase|hadoop, port, keytab, principal. */
public final class LogsIn {
    private static final byte[] DATA = "x".getBytes(StandardCharsets.UTF_8);

    private LogsIn() {}

    private static void say(String what, Object seen) {
        System.out.println("> " + what + " -> " + seen);
    }

    private static String shown(List<ACL> acls) {
        TreeSet<String> all = new TreeSet<>();
        for (ACL acl : acls) {
            all.add(acl.getId().getScheme() + ":" + acl.getId().getId() + ":" + acl.getPerms());
        }
        return all.toString();
    }

    private static void hbase(int port, String keytab, String principal) throws Exception {
        org.apache.hadoop.conf.Configuration conf = HBaseConfiguration.create();
        conf.set("hbase.security.authentication", "kerberos");
        conf.set("hbase.superuser", "admin");
        conf.set(HConstants.ZOOKEEPER_QUORUM, "localhost");
        conf.setInt(HConstants.ZOOKEEPER_CLIENT_PORT, port);
        conf.set(HConstants.ZK_CLIENT_KEYTAB_FILE, keytab);
        conf.set(HConstants.ZK_CLIENT_KERBEROS_PRINCIPAL, principal);
        ZKAuthentication.loginClient(conf, HConstants.ZK_CLIENT_KEYTAB_FILE, HConstants.ZK_CLIENT_KERBEROS_PRINCIPAL, "localhost");
        say("secure", ZKAuthentication.isSecureZooKeeper(conf));
        Abortable abortable = new Abortable() {
            @Override public void abort(String why, Throwable cause) {
                say("abort", why);
            }

            @Override public boolean isAborted() {
                return false;
            }
        };
        try (ZKWatcher watcher = new ZKWatcher(conf, "test", abortable, true)) {
            for (String name : new String[] {"master", "table", "hbaseid"}) {
                String path = watcher.getZNodePaths().baseZNode + "/" + name;
                ZKUtil.createSetData(watcher, path, DATA);
                say(name, new String(ZKUtil.getData(watcher, path), StandardCharsets.UTF_8));
                say("ACL of " + name, shown(watcher.getRecoverableZooKeeper().getZooKeeper().getACL(path, null)));
            }
            say("children", new TreeSet<>(ZKUtil.listChildrenNoWatch(watcher, watcher.getZNodePaths().baseZNode)));
        }
    }

    private static void hadoop(int port, String keytab, String principal) throws Exception {
        Configuration.setConfiguration(new JaasConfiguration("Client", principal, keytab));
        org.apache.hadoop.conf.Configuration conf = new org.apache.hadoop.conf.Configuration();
        conf.set("hadoop.zk.address", "localhost:" + port);
        conf.set("hadoop.zk.acl", "sasl:" + principal + ":rwcda");
        ZKCuratorManager manager = new ZKCuratorManager(conf);
        manager.start();
        try {
            CuratorFramework curator = manager.getCurator();
            say("create", manager.create("/hadoop"));
            manager.setData("/hadoop", DATA, -1);
            say("data", manager.getStringData("/hadoop"));
            say("ACL", shown(curator.getACL().forPath("/hadoop")));
            curator.create().withACL(Ids.CREATOR_ALL_ACL).forPath("/hadoop/own", DATA);
            say("own ACL", shown(curator.getACL().forPath("/hadoop/own")));
            say("children", manager.getChildren("/hadoop"));
        } finally {
            manager.close();
        }
    }


    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[1]);
        if (args[0].equals("hbase")) {
            hbase(port, args[2], args[3]);
        } else {
            hadoop(port, args[2], args[3]);
        }
        System.exit(0);
    }
}
