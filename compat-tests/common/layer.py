"""This system with a layer of its own over it, no network but a loopback, and its own processes: all that is done in it is gone when it ends. Needs root."""
import os
import subprocess

# What a case needs is in $1, its layer is made in $2; what runs in it are the words behind these.
LAYER = """set -e
work=$1 layer=$2; shift 2
mount -t tmpfs tmpfs "$layer" && cd "$layer" && mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir="$layer/upper",workdir="$layer/work" root
mount -t proc proc root/proc
mount -t sysfs -o ro sysfs root/sys
mount -t tmpfs -o mode=755 tmpfs root/dev
for name in null zero full random urandom tty; do touch root/dev/$name; mount --bind /dev/$name root/dev/$name; done
mkdir root/dev/shm root/dev/pts root/dev/mqueue root/dev/hugepages
mount -t devpts -o newinstance,ptmxmode=666 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
mkdir -p "root$work" && mount --bind "$work" "root$work"
ip link set lo up
if [ "$1" = "$SYSTEMD" ]; then
  mount -t tmpfs tmpfs root/run
  if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mount -t cgroup2 cgroup2 root/sys/fs/cgroup
  else
    mount -t tmpfs tmpfs root/sys/fs/cgroup && mkdir root/sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup root/sys/fs/cgroup/systemd
  fi
  echo 0123456789abcdef0123456789abcdef >root/etc/machine-id
fi
cd root && mkdir .before && pivot_root . .before && umount -l /.before
exec "$@"
"""
SYSTEMD = "/lib/systemd/systemd"
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c", LAYER, "sh"]



def in_layer(work, layer, argv, timeout, **kw):
    """Runs words there. They see `work` as it is; `layer` is an empty directory for what changes."""
    return subprocess.run([*NAMESPACES, work, layer, *argv], env=dict(os.environ, SYSTEMD=SYSTEMD), capture_output=True, text=True, timeout=timeout, **kw)
