"""Whether the objects of a release fit together: what Kubernetes would find out late, or never."""
from applib import need


def is_part(part, whole):
    return part.items() <= whole.items()


def check_container(pod, container, objects, claims, given):
    names = [item["name"] for item in container.get("env", [])]
    need(len(names) == len(set(names)), "a variable twice: %s" % sorted(names))
    for item in container.get("env", []):
        need(isinstance(item.get("value", ""), str), "no text: %r" % item)
        ref = item.get("valueFrom", {}).get("secretKeyRef")
        if ref and ref["name"] not in given:
            need(ref["key"] in objects.get(("Secret", ref["name"]), {}).get("data", {}) or ref.get("optional"), "there is no %r" % ref)
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    need(len(volumes) == len(pod.get("volumes", [])), "a volume twice")
    need(not set(volumes) & set(claims), "a volume that is a claim, too")
    paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
    need(len(paths) == len(set(paths)), "mounted twice: %s" % paths)
    for mount in container.get("volumeMounts", []):
        need(mount["name"] in volumes or mount["name"] in claims, "there is no volume %s" % mount["name"])
    for volume in volumes.values():
        for kind, name in (("ConfigMap", volume.get("configMap", {}).get("name")), ("Secret", volume.get("secret", {}).get("secretName"))):
            need(name is None or name in given or (kind, name) in objects, "there is no %s %s" % (kind, name))
    user = container["securityContext"]["runAsUser"]
    need(isinstance(user, int) and user > 0 or container["name"] == "volume-permissions", "user %r" % user)


def check(rendered, given):
    """`given`: names of ConfigMaps and Secrets that are the user's own."""
    objects = {(o["kind"], o["metadata"]["name"]): o for o in rendered}
    need(len(objects) == len(rendered), "an object twice")
    for o in rendered:
        need({"name", "namespace", "labels"} <= set(o["metadata"]) and o["apiVersion"], o["metadata"])
    [pods] = [o["spec"] for o in rendered if o["kind"] == "StatefulSet"]
    labels, claims = pods["template"]["metadata"]["labels"], [claim["metadata"]["name"] for claim in pods.get("volumeClaimTemplates", [])]
    need(("Service", pods["serviceName"]) in objects, "the service of the set")
    ports = {port["name"] for container in pods["template"]["spec"]["containers"] for port in container.get("ports", [])}
    selectors = [pods["selector"]["matchLabels"]]
    for o in rendered:
        spec = o.get("spec", {})
        if o["kind"] == "Service":
            selectors.append(spec["selector"])
            need({port["targetPort"] for port in spec["ports"]} <= ports, "%s: ports %s of %s" % (o["metadata"]["name"], spec["ports"], ports))
        if o["kind"] == "PodDisruptionBudget":
            selectors.append(spec["selector"]["matchLabels"])
        if o["kind"] == "NetworkPolicy":
            selectors.append(spec["podSelector"]["matchLabels"])
        if o["kind"] == "ServiceMonitor":
            met = [s for s in rendered if s["kind"] == "Service" and is_part(spec["selector"]["matchLabels"], s["metadata"]["labels"])]
            need(len(met) == 1 and spec["endpoints"][0]["port"] in {port["name"] for port in met[0]["spec"]["ports"]}, "the monitor finds %r" % met)
    for selector in selectors:
        need(is_part(selector, labels), "%s are no pods" % selector)
    for o in rendered:
        template = o["spec"]["template"] if o["kind"] in ("StatefulSet", "Job") else None
        if o["kind"] == "Job":
            need(not any(is_part(selector, template["metadata"]["labels"]) for selector in selectors), "a Job would be taken for a member")
        for container in template["spec"]["containers"] + template["spec"].get("initContainers", []) if template else ():
            if "securityContext" in container:
                check_container(template["spec"], container, objects, claims if o["kind"] == "StatefulSet" else [], given)
