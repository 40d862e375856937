package apps;

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

/** Client work against the cluster; the first word after the command is always the bootstrap list. */
public final class KafkaHandler implements Agent.Handler {
    private static final class Bg {
        final AtomicInteger ok = new AtomicInteger();
        final AtomicInteger bad = new AtomicInteger();
        volatile String lastError = "";
        volatile boolean stop;
        Thread t;
    }

    private final Map<String, Bg> bg = new ConcurrentHashMap<>();

    private static Properties base(String boot) {
        Properties p = new Properties();
        String[] parts = boot.split(";");           // bootstrap[;user;password]
        p.put("bootstrap.servers", parts[0]);
        p.put("request.timeout.ms", "10000");
        p.put("default.api.timeout.ms", "30000");
        p.put("metadata.max.age.ms", "2000");
        if (parts.length == 3) {
            p.put("security.protocol", "SASL_PLAINTEXT");
            p.put("sasl.mechanism", "SCRAM-SHA-256");
            p.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\""
                + parts[1] + "\" password=\"" + parts[2] + "\";");
        }
        return p;
    }

    private static KafkaProducer<String, String> producer(String boot, String txid) {
        Properties p = base(boot);
        p.put("acks", "all");
        p.put("delivery.timeout.ms", "40000");
        p.put("enable.idempotence", "true");
        p.put("linger.ms", "5");
        if (txid != null) {
            p.put("transactional.id", txid);
        }
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    @Override
    public String handle(String[] w) throws Exception {
        String boot = w.length > 1 ? w[1] : "";
        switch (w[0]) {
            case "ping":
                return "pong";
            case "create":
                return admin(boot, a -> {
                    a.createTopics(List.of(new NewTopic(w[2], Integer.parseInt(w[3]), Short.parseShort(w[4])))).all().get();
                    return w[2];
                });
            case "partitions":
                return admin(boot, a -> {
                    a.createPartitions(Map.of(w[2], NewPartitions.increaseTo(Integer.parseInt(w[3])))).all().get();
                    return w[3];
                });
            case "delete":
                return admin(boot, a -> {
                    a.deleteTopics(List.of(w[2])).all().get();
                    return w[2];
                });
            case "describe":
                return admin(boot, a -> {
                    TopicDescription d = a.describeTopics(List.of(w[2])).allTopicNames().get().get(w[2]);
                    return d.partitions().stream().map(p -> p.partition() + ":" + (p.leader() == null ? -1 : p.leader().id())
                        + ":" + p.isr().stream().map(n -> "" + n.id()).sorted().collect(Collectors.joining(",")))
                        .collect(Collectors.joining(" "));
                });
            case "set-config":
                return admin(boot, a -> {
                    ConfigResource.Type t = w[2].equals("topic") ? ConfigResource.Type.TOPIC : ConfigResource.Type.BROKER;
                    a.incrementalAlterConfigs(Map.of(new ConfigResource(t, w[3]),
                        List.of(new AlterConfigOp(new ConfigEntry(w[4], w[5]), AlterConfigOp.OpType.SET)))).all().get();
                    return "";
                });
            case "get-config":
                return admin(boot, a -> {
                    ConfigResource.Type t = w[2].equals("topic") ? ConfigResource.Type.TOPIC : ConfigResource.Type.BROKER;
                    ConfigResource r = new ConfigResource(t, w[3]);
                    return a.describeConfigs(List.of(r)).all().get().get(r).get(w[4]).value();
                });
            case "elect":
                return admin(boot, a -> {
                    Map<TopicPartition, Optional<Throwable>> m = a.electLeaders(ElectionType.PREFERRED, null).partitions().get();
                    return "" + m.size();
                });
            case "reassign":        // topic partition comma-separated replicas
                return admin(boot, a -> {
                    List<Integer> to = Arrays.stream(w[4].split(",")).map(Integer::valueOf).collect(Collectors.toList());
                    a.alterPartitionReassignments(Map.of(new TopicPartition(w[2], Integer.parseInt(w[3])),
                        Optional.of(new NewPartitionReassignment(to)))).all().get();
                    return "";
                });
            case "reassigning":
                return admin(boot, a -> "" + a.listPartitionReassignments().reassignments().get().size());
            case "acl":             // topic principal operation ALLOW|DENY add|remove
                return admin(boot, a -> {
                    AclBinding b = new AclBinding(new ResourcePattern(ResourceType.TOPIC, w[2], PatternType.LITERAL),
                        new AccessControlEntry(w[3], "*", AclOperation.valueOf(w[4]), AclPermissionType.valueOf(w[5])));
                    if (w[6].equals("add")) {
                        a.createAcls(List.of(b)).all().get();
                    } else {
                        return "" + a.deleteAcls(List.of(b.toFilter())).all().get().size();
                    }
                    return "";
                });
            case "acls":
                return admin(boot, a -> "" + a.describeAcls(AclBindingFilter.ANY).values().get().size());
            case "nodes":
                return admin(boot, a -> a.describeCluster().nodes().get().stream().map(n -> "" + n.id()).sorted()
                    .collect(Collectors.joining(",")) + " " + a.describeCluster().clusterId().get());
            case "produce": {       // topic count tag
                int n = Integer.parseInt(w[3]);
                AtomicReference<Exception> err = new AtomicReference<>();
                try (KafkaProducer<String, String> p = producer(boot, null)) {
                    for (int i = 0; i < n; i++) {
                        p.send(new ProducerRecord<>(w[2], w[4] + "-" + i, w[4] + "-" + i), (m, e) -> {
                            if (e != null) {
                                err.compareAndSet(null, e);
                            }
                        });
                    }
                    p.flush();
                }
                if (err.get() != null) {
                    throw err.get();
                }
                return "" + n;
            }
            case "produce-tx": {    // topic count tag ; one committed and one aborted transaction
                int n = Integer.parseInt(w[3]);
                try (KafkaProducer<String, String> p = producer(boot, "tx-" + w[4])) {
                    p.initTransactions();
                    for (int round = 0; round < 2; round++) {
                        p.beginTransaction();
                        for (int i = 0; i < n; i++) {
                            p.send(new ProducerRecord<>(w[2], w[4] + "-" + i, (round == 0 ? "" : "aborted-") + w[4] + "-" + i));
                        }
                        p.flush();
                        if (round == 0) {
                            p.commitTransaction();
                        } else {
                            p.abortTransaction();
                        }
                    }
                }
                return "" + n;
            }
            case "bg-start": {      // topic tag : about 200 records a second until bg-stop
                Bg b = new Bg();
                b.t = new Thread(() -> {
                    try (KafkaProducer<String, String> p = producer(boot, null)) {
                        for (int i = 0; !b.stop && i < 60000; i++) {
                            p.send(new ProducerRecord<>(w[2], w[3] + "-" + i, w[3] + "-" + i), (m, e) -> {
                                if (e == null) {
                                    b.ok.incrementAndGet();
                                } else {
                                    b.bad.incrementAndGet();
                                    b.lastError = e.toString();
                                }
                            });
                            Thread.sleep(5);
                        }
                        p.flush();
                    } catch (Exception e) {
                        b.bad.incrementAndGet();
                        b.lastError = e.toString();
                    }
                });
                b.t.start();
                bg.put(w[3], b);
                return "";
            }
            case "bg-stop": {
                Bg b = bg.remove(w[3]);
                b.stop = true;
                b.t.join(50000);
                return b.ok.get() + " " + b.bad.get() + " " + b.lastError;
            }
            case "consume":         // topic group seconds expected : distinct values read from the beginning
                return consume(boot, w[2], w[3], Integer.parseInt(w[4]), Integer.parseInt(w[5]));
            default:
                throw new IllegalArgumentException(w[0]);
        }
    }

    private static String consume(String boot, String topic, String group, int seconds, int expected) {
        Properties p = base(boot);
        p.put("group.id", group);
        p.put("auto.offset.reset", "earliest");
        p.put("isolation.level", "read_committed");
        p.put("max.poll.records", "5000");
        Set<String> seen = new HashSet<>();
        int all = 0;
        try (KafkaConsumer<String, String> c = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            c.subscribe(List.of(topic));
            long end = System.currentTimeMillis() + seconds * 1000L;
            while (System.currentTimeMillis() < end && seen.size() < expected) {
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(300))) {
                    all++;
                    seen.add(r.value());
                }
            }
            // a little longer, to notice records that should not be there
            for (int i = 0; i < 3; i++) {
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(200))) {
                    all++;
                    seen.add(r.value());
                }
            }
            c.commitSync();
        }
        return seen.size() + " " + all;
    }

    private interface Work {
        String go(Admin a) throws Exception;
    }

    private static String admin(String boot, Work w) throws Exception {
        try (Admin a = Admin.create(base(boot))) {
            return w.go(a);
        }
    }
}
