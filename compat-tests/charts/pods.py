"""A Kubernetes of one machine, as far as a chart needs one: what Helm renders is run with its commands, variables, mounts, users and probes. A pod is a
chroot of the image with a network namespace of its own at a bridge, so that ports and addresses stay as they are rendered; names are in /etc/hosts."""
import base64
import itertools
import os
import shlex
import shutil
import signal
import subprocess

import yaml

from applib import Fail, Proc, need, until

_numbers = itertools.count(1)


def sh(*argv, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, **more)
    need(done.returncode == 0, "%s: %s" % (shlex.join(argv), done.stdout.decode()))
    return done.stdout.decode()


class Network:
    """A bridge in a namespace of its own, and a namespace for each who is at it. Nothing of it is seen outside."""

    def __init__(self):
        self.name, self.made = "ox%d" % os.getpid(), []
        self.switch = self._namespace("sw")
        self._ip(self.switch, "link", "add", "br0", "type", "bridge")
        self._ip(self.switch, "link", "set", "br0", "up")

    def _ip(self, namespace, *argv):
        sh("ip", "-n", namespace, *argv)

    def _namespace(self, name):
        name = "%s-%s" % (self.name, name)
        sh("ip", "netns", "add", name)
        self.made.append(name)
        self._ip(name, "link", "set", "lo", "up")
        return name

    def join(self, number):
        """A namespace with its address."""
        namespace, address, port = self._namespace(str(number)), "10.88.%d.%d" % (number // 250, number % 250 + 1), "v%d" % number
        self._ip(self.switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        self._ip(self.switch, "link", "set", port, "master", "br0", "up")
        self._ip(namespace, "addr", "add", address + "/16", "dev", "eth0")
        self._ip(namespace, "link", "set", "eth0", "up")
        return namespace, address

    def leave(self, namespace):
        self.made.remove(namespace)
        sh("ip", "netns", "del", namespace)

    def end(self):
        for namespace in list(reversed(self.made)):
            self.leave(namespace)


def inside(root, path):
    """Where a path of the container is, with links that lead inside it, as runtimes find it."""
    here = root
    for part in path.strip("/").split("/"):
        step = os.path.join(here, part)
        if os.path.islink(step):
            target = os.readlink(step)
            step = inside(root, target) if target.startswith("/") else inside(root, os.path.relpath(os.path.join(here, target), root))
        here = step
    return here


class Container:
    """One container of a pod, or of a Job."""

    def __init__(self, cluster, name, spec, labels):
        self.cluster, self.name, self.spec, self.labels = cluster, name, spec, labels
        self.number = next(_numbers)
        [self.container] = spec["containers"]
        self.image = cluster.image.container()
        self.root, self.log = self.image.root, self.image.root + ".log"
        self.namespace, self.address = cluster.network.join(self.number)
        self.empty, self.proc = {}, None
        self.mounts = [self._mount(mount) for mount in self.container.get("volumeMounts", [])]

    def _mount(self, mount):
        source = self._volume(mount["name"])
        if mount.get("subPath"):
            source = os.path.join(source, mount["subPath"])
            if not os.path.exists(source):
                self._dir(source)
        return source, inside(self.root, mount["mountPath"]), mount.get("readOnly", False)

    def _group(self):
        return self.spec.get("securityContext", {}).get("fsGroup", 0)

    def _dir(self, path):
        """As the kubelet makes them: of root, and of the group of the pod."""
        os.makedirs(path, exist_ok=True)
        os.chown(path, 0, self._group())
        os.chmod(path, 0o2775)
        return path

    def _volume(self, name):
        [volume] = [v for v in self.spec.get("volumes", []) if v["name"] == name] or [None]
        if volume is None:                                                          # of a claim
            return self._dir(os.path.join(self.cluster.work, "claims", "%s-%s" % (name, self.name)))
        if "emptyDir" in volume:
            if name not in self.empty:
                self.empty[name] = self._dir(os.path.join(self.cluster.work, "empty", str(self.number), name))
            return self.empty[name]
        path = self._dir(os.path.join(self.cluster.work, "files", str(self.number), name))
        source = volume.get("configMap") or volume.get("secret")
        content = self.cluster.content(*(("ConfigMap", source["name"]) if "configMap" in volume else ("Secret", source["secretName"])))
        need(content is not None, "%s: there is no %s" % (self.name, source))
        for file, value in content.items():
            full = os.path.join(path, file)
            with open(full, "wb") as f:
                f.write(value)
            os.chown(full, 0, self._group())
            os.chmod(full, source.get("defaultMode", 0o644) | (0o440 if self._group() else 0))
        return path

    def env(self):
        env = {}
        for source in self.container.get("envFrom", []):
            kind, name = ("ConfigMap", source["configMapRef"]["name"]) if "configMapRef" in source else ("Secret", source["secretRef"]["name"])
            env.update({key: value.decode() for key, value in self.cluster.content(kind, name).items()})
        for item in self.container.get("env", []):
            value = self._value(item)
            if value is not None:
                env[item["name"]] = value
        return ["HOSTNAME=" + self.name, *self.cluster.image.config["config"]["Env"], *("%s=%s" % pair for pair in env.items())]

    def _value(self, item):
        source = item.get("valueFrom")
        if not source:
            need(isinstance(item.get("value", ""), str), "%s is no text: %r" % (item["name"], item.get("value")))
            return item.get("value", "")
        if "fieldRef" in source:
            return {"metadata.name": self.name, "metadata.namespace": "default", "status.podIP": self.address}[source["fieldRef"]["fieldPath"]]
        kind, ref = ("Secret", source["secretKeyRef"]) if "secretKeyRef" in source else ("ConfigMap", source["configMapKeyRef"])
        value = (self.cluster.content(kind, ref["name"]) or {}).get(ref["key"])
        need(value is not None or ref.get("optional"), "%s: there is no %s" % (self.name, ref))
        return value and value.decode()

    def _as_user(self, command):
        """As the security context of the container says: without capabilities, and with the groups of the pod."""
        context, pod = self.container.get("securityContext", {}), self.spec.get("securityContext", {})
        user, group = context.get("runAsUser", 1000), context.get("runAsGroup", 0)
        need(not context.get("runAsNonRoot") or user != 0, "it would run as root")
        groups = [*pod.get("supplementalGroups", []), *([pod["fsGroup"]] if "fsGroup" in pod else [])]
        limits = ["setpriv"]
        if context.get("allowPrivilegeEscalation") is False:
            limits += ["--no-new-privs"]
        if "ALL" in context.get("capabilities", {}).get("drop", []):
            limits += ["--bounding-set=-all,+sys_chroot,+setuid,+setgid"]
        chroot = ["chroot", "--userspec=%d:%d" % (user, group), "--groups=" + ",".join(map(str, groups or [group])), self.root]
        return [*limits, *chroot, "/usr/bin/env", "-i", *self.env(), *command]

    def start(self):
        lines = ["set -e", 'mount --bind "$0" "$0"']
        for source, target, read_only in self.mounts:
            # Mounts within mounts are made in what is mounted there; all others in the root, while it can be written.
            make = 'mkdir -p "$(dirname %s)"; touch %s' if os.path.isfile(source) else "mkdir -p %s"
            lines.append(make.replace("%s", shlex.quote(target)))
            lines.append("mount --bind %s %s" % (shlex.quote(source), shlex.quote(target)))
            if read_only:
                lines.append("mount -o remount,bind,ro %s" % shlex.quote(target))
        lines.append('mount -t proc proc "$0/proc"')
        if self.container.get("securityContext", {}).get("readOnlyRootFilesystem"):
            lines.append('mount -o remount,bind,ro "$0"')
        lines.append('exec "$@"')
        command = [*self.container.get("command", self.cluster.image.config["config"]["Entrypoint"]), *self.container.get("args", [])]
        self.cluster.names()
        self.proc = Proc(self.name, ["nsenter", "--net=/run/netns/" + self.namespace, "unshare", "-m", "-p", "-f", "--kill-child=KILL", "bash", "-c",
                                     "\n".join(lines), self.root, *self._as_user(command)], self.log)
        until("%s to begin" % self.name, self._is_inside, 20, 0.01)

    def first(self):
        """The process that is number 1 in the container."""
        pid = self.proc.p.pid
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return int(f.read().split()[0])

    def _is_inside(self):
        """Whether it has come as far as the command of the container."""
        return not self.proc.alive() or os.readlink("/proc/%d/root" % self.first()) != "/"

    def run(self, command, text="", timeout=60):
        """As `kubectl exec` does."""
        argv = ["nsenter", "-t", str(self.first()), "-m", "-n", "-p", *self._as_user(command)]
        done = subprocess.run(argv, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        return done.returncode, done.stdout.decode(errors="replace")

    def probe(self, kind):
        """Whether the probe succeeds within its own limit."""
        probe = self.container[kind + "Probe"]
        try:
            return self.run(probe["exec"]["command"], timeout=probe["timeoutSeconds"])[0] == 0
        except subprocess.TimeoutExpired:
            return False

    def is_ready(self):
        need(self.proc.alive(), "%s has ended with %s: %s" % (self.name, self.proc.p.returncode, self.said()))
        return self.probe("readiness")

    def said(self, much=1500):
        with open(self.log, errors="replace") as f:
            return f.read()[-much:]

    def stop(self):
        """As the kubelet ends it: the first process is asked to."""
        if self.proc and self.proc.alive():
            os.kill(self.first(), signal.SIGTERM)
            try:
                self.proc.p.wait(30)
            except subprocess.TimeoutExpired:
                raise Fail("%s does not end: %s" % (self.name, self.said()))

    def gone(self):
        if self.proc and self.proc.alive():
            self.proc.kill()
        self.cluster.network.leave(self.namespace)
        shutil.rmtree(self.root, ignore_errors=True)


class Cluster:
    """The objects of one release, and the pods that run of them."""

    def __init__(self, image, helm, work):
        self.image, self.helm, self.work = image, helm, work
        self.network, self.pods, self.client, self.jobs = Network(), {}, None, []
        self.objects, self.restarts = {}, 0

    def content(self, kind, name):
        found = self.objects.get((kind, name))
        if found is None:
            return None
        data = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        return {key: base64.b64decode(value) for key, value in data.items()} if kind == "Secret" else data

    def names(self):
        """What DNS would tell of the pods: those of the headless service, ready or not, and of the service for clients."""
        lines = ["127.0.0.1 localhost"]
        for pod in self.pods.values():
            lines.append("%s %s.%s %s" % (pod.address, pod.name, self.domain("headless"), pod.name))
            lines.append("%s %s" % (pod.address, self.domain("")))
        for one in [*self.pods.values(), *self.jobs, *([self.client] if self.client else [])]:
            with open(os.path.join(one.root, "etc", "hosts"), "w") as f:             # in place: it is mounted
                f.write("\n".join(lines) + "\n")

    def domain(self, which):
        """Of the headless service, or of that for clients."""
        def is_it(kind, o):
            of_members = kind == "Service" and o["metadata"]["labels"]["app.kubernetes.io/component"] == "zookeeper"
            return of_members and (o["spec"].get("clusterIP") == "None") == bool(which)
        [name] = [o["metadata"]["name"] for (kind, _), o in self.objects.items() if is_it(kind, o)]
        return "%s.default.svc.cluster.local" % name

    def release(self, verb, **values):
        """`helm install` or `helm upgrade`, with --wait."""
        objects = self.helm.render(values)
        hooks = [o for o in objects if "helm.sh/hook" in o["metadata"].get("annotations", {})]
        for o in objects:
            key = o["kind"], o["metadata"]["name"]
            # What the chart would look up, and keep.
            if o["kind"] == "Secret" and key in self.objects and (o["type"] == "kubernetes.io/tls" or key[1].endswith("-reconfig")):
                o["data"] = self.objects[key]["data"]
        self._hooks(hooks, "pre-" + verb)
        for o in objects:
            if o not in hooks:
                self.objects[o["kind"], o["metadata"]["name"]] = o
        [self.set] = [o for (kind, _), o in self.objects.items() if kind == "StatefulSet"]
        self._reconcile()
        self._hooks(hooks, "post-" + verb)

    def _reconcile(self):
        spec = self.set["spec"]
        wanted = ["%s-%d" % (self.set["metadata"]["name"], n) for n in range(spec["replicas"])]
        for name in [name for name in reversed(list(self.pods)) if name not in wanted]:
            self.delete(name)
        for name in wanted:
            if name not in self.pods:
                self.create(name, start=False)
        for name in wanted:
            if not self.pods[name].proc:
                self.pods[name].start()
        # The last one first, and the next one when it is ready.
        for name in reversed(wanted):
            if self.pods[name].template != spec["template"]:
                self.restarts += 1
                self.delete(name)
                self.create(name)
            self.ready(name)

    def create(self, name, start=True):
        template = self.set["spec"]["template"]
        self.pods[name] = Container(self, name, template["spec"], template["metadata"]["labels"])
        self.pods[name].template = template
        if start:
            self.pods[name].start()

    def delete(self, name):
        pod = self.pods.pop(name)
        pod.stop()
        pod.gone()
        self.names()

    def ready(self, *names):
        for pod in [self.pods[name] for name in names or self.pods]:
            until("%s to be ready" % pod.name, pod.is_ready, 60, 0.1)

    def _hooks(self, hooks, moment):
        for job in hooks:
            if moment in job["metadata"]["annotations"]["helm.sh/hook"].split(","):
                self.job(job)

    def job(self, job):
        template = job["spec"]["template"]
        run = Container(self, job["metadata"]["name"], template["spec"], template["metadata"]["labels"])
        self.jobs.append(run)
        try:
            run.start()
            run.proc.p.wait(min(job["spec"]["activeDeadlineSeconds"], 180))
            self.said = run.said(4000)
            need(run.proc.p.returncode == 0, "%s has ended with %s: %s" % (run.name, run.proc.p.returncode, self.said))
        finally:
            self.jobs.remove(run)
            run.gone()

    def outside(self):
        """A container that is no pod of the release."""
        if not self.client:
            self.client = Container(self, "client", {"containers": [{"command": ["/bin/sleep", "infinity"]}]}, {})
            self.client.start()
        return self.client

    def client_run(self, *command):
        code, said = self.outside().run(command)
        need(code == 0, "%s: %d, %s" % (command, code, said))
        return said

    def shell(self, text, *options, port=2181, pod=None):
        """Commands of the shell, at the service, or at one pod."""
        host = self.domain("") if pod is None else "%s.%s" % (pod, self.domain("headless"))
        shell = ["/usr/bin/oxkeeper", "cli", "-waitforconnection", "-timeout", "10000"]
        return self.outside().run([*shell, *options, "-server", "%s:%d" % (host, port)], text)

    def end(self):
        for one in [*self.pods.values(), *([self.client] if self.client else [])]:
            one.gone()
        self.network.end()


class Helm:
    """Renders the chart."""

    def __init__(self, binary, chart, work):
        self.binary, self.chart, self.work = binary, chart, work

    def run(self, values, *more):
        path = os.path.join(self.work, "values-%d.yaml" % next(_numbers))
        with open(path, "w") as f:
            yaml.safe_dump(values, f)
        argv = [self.binary, "template", "rel", self.chart, "-f", path, *more]
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)

    def render(self, values, *more):
        done = self.run(values, *more)
        need(done.returncode == 0, done.stderr.decode()[-800:])
        return [o for o in yaml.safe_load_all(done.stdout) if o]

    def refused(self, values):
        done = self.run(values)
        need(done.returncode != 0, "%r is taken" % values)
        return done.stderr.decode()
